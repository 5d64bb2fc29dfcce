"""Distances between embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reid_models.errors import EncoderError

FloatArray = npt.NDArray[np.floating[Any]]


def normalise(rows: FloatArray) -> FloatArray:
    """Rows (N, D) scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(rows.dtype).tiny), rows.dtype)


def cosine(a: FloatArray, b: FloatArray) -> FloatArray:
    """``1 - cos`` of each row of ``a`` (N, D) with each of ``b`` (M, D): (N, M) in [0, 2]."""
    _check(a, b)
    return np.clip(1 - normalise(a) @ normalise(b).T, 0, 2)


def squared_euclidean(a: FloatArray, b: FloatArray) -> FloatArray:
    """Squared lengths of the differences of rows (N, D) and (M, D): (N, M), not negative."""
    _check(a, b)
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None, :]
    return np.asarray(np.maximum(squares - 2 * (a @ b.T), 0))


def euclidean(a: FloatArray, b: FloatArray) -> FloatArray:
    """Lengths of the differences of rows (N, D) and (M, D): (N, M)."""
    return np.sqrt(squared_euclidean(a, b))


def _check(a: FloatArray, b: FloatArray) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise EncoderError(f"embeddings must be (N, D) and (M, D), not {a.shape} and {b.shape}")
