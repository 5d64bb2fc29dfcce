"""What an encoder file says of itself, with the errors of the pipeline; nothing of it is run."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import CamtrailError
from reid_models import Description, EncoderError, describe_encoder


def describe(path: Path) -> tuple[Description, str]:
    """Its description and fingerprint.

    Raises:
        CamtrailError: the file is missing, truncated, no encoder, or its description is bad.
    """
    try:
        return describe_encoder(path)
    except EncoderError as error:
        raise CamtrailError(str(error)) from None
