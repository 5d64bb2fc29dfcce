"""Evaluation and re-ranking as they are usually written: whole matrices, sorted whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from train.evaluation import Features

FloatArray = npt.NDArray[np.floating[Any]]


def plain_average_precisions(query: Features, gallery: Features) -> npt.NDArray[np.float64]:
    """(Q,) by cosine and the trapezoid; 0 where there is no match."""
    a = query.embeddings / np.linalg.norm(query.embeddings, axis=1, keepdims=True)
    b = gallery.embeddings / np.linalg.norm(gallery.embeddings, axis=1, keepdims=True)
    order = np.argsort(-(a @ b.T), axis=1, kind="stable")
    result = np.zeros(len(query))
    for row, ranked in enumerate(order):
        identities, cameras = gallery.identities[ranked], gallery.cameras[ranked]
        same = identities == query.identities[row]
        junk = (identities == -1) | (same & (cameras == query.cameras[row]))
        hits = same[~junk]
        if not hits.any():
            continue
        found = np.cumsum(hits)
        precision = found / np.arange(1, len(hits) + 1)
        before = np.concatenate([[1.0], precision[:-1]])
        result[row] = ((before + precision) / 2)[hits].mean()
    return result


def plain_rerank(
    query: FloatArray, gallery: FloatArray, k1: int, k2: int, weight: float
) -> FloatArray:
    """(Q, G) re-ranked distances, with dense (Q + G, Q + G) matrices throughout."""
    rows = np.concatenate([query, gallery])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distances = np.maximum(2 - 2 * (rows @ rows.T), 0)
    np.fill_diagonal(distances, -1)  # oneself first
    order = np.argsort(distances, axis=1, kind="stable")
    np.fill_diagonal(distances, 0)
    distances = distances / distances.max(axis=1, keepdims=True)
    weights = np.zeros_like(distances)
    for i in range(len(rows)):
        own = _reciprocal(order, i, k1 + 1)
        members = own
        for candidate in own:
            other = _reciprocal(order, candidate, round(k1 / 2) + 1)
            if 3 * len(np.intersect1d(other, own)) > 2 * len(other):
                members = np.union1d(members, other)
        likeness = np.exp(-distances[i, members])
        weights[i, members] = likeness / likeness.sum()
    weights = np.stack([weights[neighbours].mean(axis=0) for neighbours in order[:, :k2]])
    split = len(query)
    result = np.empty((split, len(gallery)), rows.dtype)
    for i in range(split):
        shared = np.minimum(weights[i], weights[split:]).sum(axis=1)
        result[i] = (1 - weight) * (1 - shared / (2 - shared)) + weight * distances[i, split:]
    return result


def _reciprocal(order: npt.NDArray[np.int64], i: int, k: int) -> npt.NDArray[np.int64]:
    near = order[i, :k]
    return np.asarray(near[(order[near, :k] == i).any(axis=1)])
