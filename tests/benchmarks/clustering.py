"""The offline rival of the matcher: average linkage of mean embeddings, in hindsight.

It sees every tracklet of the whole recording at once and may choose the threshold that scores
best against the truth; it keeps the rule that nobody is in two places at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Item:
    """One tracklet: its interval in seconds, its camera and its L2-normalised embedding (D,)."""

    camera: str
    start: float
    end: float
    embedding: npt.NDArray[np.float32]


def cannot_link(items: list[Item], tolerance: float = 0.0) -> npt.NDArray[np.bool_]:
    """(n, n): the pairs that overlap in time by more than ``tolerance`` seconds."""
    start = np.array([item.start for item in items])
    end = np.array([item.end for item in items])
    overlap = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    forbidden = overlap > tolerance
    np.fill_diagonal(forbidden, False)
    return forbidden


def average_linkage(
    items: list[Item], tolerance: float = 0.0
) -> list[tuple[float, npt.NDArray[np.int64]]]:
    """Every partition that constrained average linkage passes through.

    Returns:
        ``(distance, labels (n,))`` from all apart to as few clusters as the rule allows, with the
        cosine distance of the merge that led there.
    """
    count = len(items)
    features = np.array([item.embedding for item in items], np.float64)
    distance = 1 - features @ features.T
    forbidden = cannot_link(items, tolerance)
    distance[forbidden] = np.inf
    np.fill_diagonal(distance, np.inf)
    size = np.ones(count)
    labels = np.arange(count)
    partitions = [(0.0, labels.copy())]
    while count > 1 and np.isfinite(best := distance.min()):
        a, b = np.unravel_index(int(distance.argmin()), distance.shape)
        merged = (size[a] * distance[a] + size[b] * distance[b]) / (size[a] + size[b])
        distance[a], distance[:, a] = merged, merged
        distance[b], distance[:, b] = np.inf, np.inf
        distance[a, a] = np.inf
        size[a] += size[b]
        labels[labels == labels[b]] = labels[a]
        partitions.append((float(best), labels.copy()))
    return partitions
