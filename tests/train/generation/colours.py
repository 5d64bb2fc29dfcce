"""An encoder that needs no training: it sees the mean colour of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reid_models import Description, Encoder, InputSpec


class _MeanColour:
    device = "cpu"

    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return batch.mean(axis=(1, 2))


def colour_encoder() -> Encoder:
    spec = InputSpec(height=16, width=8)
    description = Description(
        input=spec, dimension=3, architecture="stripenet", arguments={}, flip=False
    )
    return Encoder(_MeanColour(), description, "0123456789abcdef" * 2)


def plain(*colour: int, height: int = 32) -> npt.NDArray[np.uint8]:
    """An image of one colour."""
    return np.full((height, height // 2, 3), colour, np.uint8)
