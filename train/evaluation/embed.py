"""From an encoder and images to features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_models import Encoder
from train.data import Sample, read_image
from train.evaluation.features import Features

_CHUNK = 512  # images in memory at once


def embed_data(encoder: Encoder, samples: Sequence[Sample]) -> Features:
    """The samples as the encoder sees them."""
    parts = [
        encoder.embed([read_image(sample.path) for sample in samples[start : start + _CHUNK]])
        for start in range(0, len(samples), _CHUNK)
    ]
    return Features(
        np.concatenate(parts),
        np.array([sample.identity for sample in samples]),
        np.array([sample.camera for sample in samples]),
    )
