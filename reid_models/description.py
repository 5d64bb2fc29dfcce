"""What an encoder file says of itself.

The same keys serve as JSON in the header of a ``.safetensors`` file and as YAML beside an
exported one, where ``architecture`` and ``arguments`` have no meaning and are left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reid_models.errors import EncoderError

_Three = Annotated[tuple[float, ...], Field(min_length=3, max_length=3)]
_Side = Annotated[int, Field(ge=8, le=2048)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputSpec(_Strict):
    """What the network wants to see.

    Attributes:
        height: of the picture in pixels.
        width: of the picture in pixels.
        layout: ``nchw`` or ``nhwc``.
        colour: order of the channels, ``rgb`` or ``bgr``.
        mean: what is subtracted of each channel, in the order of ``colour``, scale 0-255.
        std: what each channel is then divided by, scale 0-255.
    """

    height: _Side
    width: _Side
    layout: Literal["nchw", "nhwc"] = "nchw"
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: _Three = (123.675, 116.28, 103.53)
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=3, max_length=3)] = (
        58.395,
        57.12,
        57.375,
    )


class Similarities(_Strict):
    """Cosine similarities at which decisions turn.

    Attributes:
        accept: from here on it is the same person.
        new: below this it is somebody else.
    """

    accept: Annotated[float, Field(gt=-1, lt=1)]
    new: Annotated[float, Field(gt=-1, lt=1)]


class Description(_Strict):
    """What an encoder is.

    Attributes:
        input: what the network wants to see.
        dimension: length of the embedding.
        architecture: a name of `reid_models.names`; empty for an export.
        arguments: for `reid_models.build`.
        flip: the embedding is the sum over the picture and its mirror image (twice the cost).
        trained_on: the data, in words.
        metrics: measured quality; each entry names its data and protocol.
        thresholds: recommended for matching; None where nobody measured them.
        format: version of this format.
    """

    input: InputSpec
    dimension: Annotated[int, Field(ge=2, le=16384)]
    architecture: str = ""
    arguments: dict[str, Any] = {}
    flip: bool = False
    trained_on: str = ""
    metrics: list[dict[str, Any]] = []
    thresholds: Similarities | None = None
    format: Literal[1] = 1


def parse_description(data: object, where: str) -> Description:
    """Check what was read from ``where``.

    Raises:
        EncoderError: names each key that is missing, unknown or of a wrong value.
    """
    if isinstance(data, dict) and data.get("format", 1) != 1:
        raise EncoderError(
            f"{where}: encoder format {data['format']!r} is not known here; "
            "this version reads format 1: update camtrail"
        )
    try:
        return Description.model_validate(data)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'description'}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise EncoderError(f"{where}: bad encoder description: {'; '.join(faults)}") from None
