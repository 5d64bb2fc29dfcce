"""The encoder as a camera's process runs it; the one place that turns BGR into RGB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.digest import verify
from pipeline.records import FloatArray, Image
from reid_models import EncoderError, load_encoder


class EncoderRuntime:
    """A loaded encoder with the batch size of the configuration.

    Attributes:
        fingerprint: of the encoder's file; travels with every embedding.
        dimension: length of an embedding.
        size: height and width of the crops that the network sees.
        line: the cosine similarity midway between the same and another person, where the
            encoder's file recommends thresholds.

    Raises:
        CamtrailError: the file is missing, damaged, contradicts its description or is not the one
            that ``sha256`` means.
    """

    def __init__(self, options: config.Encoder, threads: int) -> None:
        verify(options.path, options.sha256, "encoder")
        try:
            self._encoder = load_encoder(options.path, options.device, threads)
        except EncoderError as error:
            raise CamtrailError(str(error)) from None
        self._batch = options.batch
        self.fingerprint = self._encoder.fingerprint
        self.dimension = self._encoder.dimension
        spec = self._encoder.description.input
        self.size = spec.height, spec.width
        recommended = self._encoder.description.thresholds
        self.line = (recommended.accept + recommended.new) / 2 if recommended else None

    def embed(self, crops: Sequence[Image]) -> FloatArray:
        """L2-normalised embeddings (N, D) of BGR crops (uint8 H x W x 3, any size)."""
        batches = (
            crops[first : first + self._batch] for first in range(0, len(crops), self._batch)
        )
        try:
            parts = [self._encoder.embed([crop[:, :, ::-1] for crop in own]) for own in batches]
        except EncoderError as error:
            raise CamtrailError(str(error)) from None
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)
