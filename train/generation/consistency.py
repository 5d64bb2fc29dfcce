"""Does a separate encoder still recognise the person whose appearance an image was made of?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_models import Encoder
from reid_models.preprocess import Image
from train.errors import TrainError


@dataclass(frozen=True)
class Consistency:
    """Attributes: recognised, a share in [0, 1]; images, how many were looked at."""

    recognised: float
    images: int


def identity_consistency(
    encoder: Encoder,
    generated: Sequence[Image],
    appearance: Sequence[int],
    gallery: Sequence[Image],
    identities: Sequence[int],
) -> Consistency:
    """Share of generated images whose nearest real image shows the appearance's person.

    Nearest by the cosine of the embeddings. What it means depends on the gallery: it should hold
    the structures' people too, and not the very images that the appearances were taken from.

    Args:
        encoder: one that the generator never trained.
        generated: RGB uint8 images H x W x 3, at least one.
        appearance: the identity whose appearance each was made of.
        gallery: real images.
        identities: of the gallery.

    Raises:
        TrainError: there are no generated images, or the gallery lacks one of the people.
    """
    missing = set(appearance) - set(identities)
    if not generated or missing:
        raise TrainError(
            f"nobody could recognise the identities {sorted(missing)[:5]}: they are not in the "
            "gallery"
            if missing
            else "there are no generated images to recognise"
        )
    likeness = encoder.embed(generated) @ encoder.embed(gallery).T
    nearest = np.asarray(identities)[likeness.argmax(axis=1)]
    return Consistency(float((nearest == np.asarray(appearance)).mean()), len(generated))
