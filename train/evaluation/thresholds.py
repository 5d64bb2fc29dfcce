"""Which similarities the matcher should take for the same person, and which for another."""

from __future__ import annotations

import numpy as np

from reid_models import Similarities
from train.evaluation.features import Features

FALSE_ACCEPT = 1e-4  # of the pairs of two persons lie above `accept`: 1 % among a hundred people
FALSE_WAIT = 1e-2  # of them above `new`: one among a hundred people
_BLOCK = 512  # rows of the matrix of similarities in memory at once


def recommend(query: Features, gallery: Features) -> Similarities:
    """From the similarities of different people in different cameras."""
    others = []
    for start in range(0, len(query.identities), _BLOCK):
        rows = slice(start, start + _BLOCK)
        apart = query.identities[rows, None] != gallery.identities
        apart &= query.cameras[rows, None] != gallery.cameras
        others.append((query.embeddings[rows] @ gallery.embeddings.T)[apart])
    accept, new = np.quantile(np.concatenate(others), [1 - FALSE_ACCEPT, 1 - FALSE_WAIT])
    return Similarities(accept=round(float(accept), 4), new=round(float(new), 4))
