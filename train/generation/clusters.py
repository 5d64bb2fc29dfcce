"""Groups of images that look alike: k-means on the features of a network, and how well it parts.

Ainam et al., "Sparse Label Smoothing for Semi-supervised Person Re-Identification", section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from train.errors import TrainError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_ROUNDS = 100
_STARTS = 5  # of which the best is kept
_BLOCK = 1024  # rows of the distance matrix at once


def cluster(features: FloatArray, clusters: int, seed: int) -> IntArray:
    """The cluster of each row, from 0, by k-means on Euclidean distances (equation 1).

    Args:
        features: (N, D).
        clusters: k, at least 1.
        seed: of the first centres.

    Raises:
        TrainError: there are fewer rows than clusters, or a cluster is empty.
    """
    if len(features) < clusters:
        raise TrainError(
            f"{len(features)} images cannot be parted into {clusters} clusters; lower clusters"
        )
    rows = np.ascontiguousarray(features, np.float32)
    # FAISS warns of few rows a cluster and would drop some of many; neither is wanted here.
    kmeans = faiss.Kmeans(
        rows.shape[1],
        clusters,
        niter=_ROUNDS,
        nredo=_STARTS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(rows),
    )
    kmeans.train(rows)
    found = np.asarray(kmeans.index.search(rows, 1)[1][:, 0], np.int64)
    empty = [number + 1 for number in range(clusters) if not (found == number).any()]
    if empty:
        raise TrainError(
            f"cluster {empty[0]} of {clusters} is empty: the images have fewer different looks "
            "than that; lower clusters"
        )
    return found


def silhouettes(features: FloatArray, clusterings: Sequence[IntArray]) -> list[float]:
    """Mean silhouette of each clustering of the same rows, in [-1, 1].

    Of a row ``(b - a) / max(a, b)`` with a its mean distance to the others of its cluster and b
    to the nearest other cluster; 0 for one that is alone (Rousseeuw, 1987). The distances are
    computed once for all clusterings.

    Args:
        features: (N, D).
        clusterings: of each, the cluster of each row from 0, none empty, at least two.
    """
    rows = features.astype(np.float32)
    members = [_members(clusters) for clusters in clusterings]
    totals = [0.0] * len(clusterings)
    squares = np.square(rows).sum(axis=1)
    for start in range(0, len(rows), _BLOCK):
        here = slice(start, start + _BLOCK)
        square = squares[here, None] + squares - 2 * (rows[here] @ rows.T)
        square[np.arange(len(square)), np.arange(start, start + len(square))] = 0
        distances = np.sqrt(square.clip(min=0))
        for place, clusters in enumerate(clusterings):
            sums = distances @ members[place]
            totals[place] += _block_silhouette(sums, clusters[here], members[place])
    return [total / len(rows) for total in totals]


def _members(clusters: IntArray) -> FloatArray:
    """(N, k), 1 where a row is of a cluster."""
    return np.eye(int(clusters.max()) + 1, dtype=np.float32)[clusters]


def _block_silhouette(sums: Any, own: IntArray, members: FloatArray) -> float:
    """The sum over a block's rows, from their summed distances to each cluster (B, k)."""
    sizes = members.sum(axis=0)
    place = np.arange(len(own))
    others = np.maximum(sizes[own] - 1, 1)
    a = sums[place, own] / others
    means = sums / sizes
    means[place, own] = np.inf
    b = means.min(axis=1)
    top = np.maximum(a, b)
    values = np.divide(b - a, top, out=np.zeros_like(b), where=top > 0)
    return float(values[sizes[own] > 1].sum())
