"""The batch of the published values: 12 embeddings of 4 identities."""

from __future__ import annotations

import math

import numpy as np

EMBEDDINGS = np.random.default_rng(7).standard_normal((12, 6))
NORMALISED = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
LABELS = [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3

# Labels of six images in which some anchors lack an own image, others another identity.
UNEVEN = [[0, 0, 1, 2, 2, 2], [5, 5, 5, 5, 5, 9], [1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6]]


def hardest(x: np.ndarray, labels: list[int]) -> list[tuple[float, float]]:
    """Farthest own and nearest other distance of each anchor that has both."""
    found = []
    for i, label in enumerate(labels):
        own = [math.dist(x[i], x[j]) for j, k in enumerate(labels) if k == label and j != i]
        other = [math.dist(x[i], x[j]) for j, k in enumerate(labels) if k != label]
        if own and other:
            found.append((max(own), min(other)))
    return found
