"""The batch of the published values: 12 embeddings of 4 identities."""

from __future__ import annotations

import math

import numpy as np

_RNG = np.random.default_rng(7)
EMBEDDINGS = _RNG.standard_normal((12, 6))
MOMENTUM = _RNG.standard_normal((12, 6))  # of the same images, by a momentum encoder
PLAIN = _RNG.standard_normal((12, 6))  # the same of the images before they were changed
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


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b) / math.hypot(*a) / math.hypot(*b)


def softmax(values: list[float]) -> list[float]:
    total = sum(map(math.exp, values))
    return [math.exp(value) / total for value in values]
