"""Distances between embeddings."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    result = np.asarray(a @ b.T)
    result *= -2  # in place: a copy of the matrix costs more than the rest
    result += np.vecdot(a, a)[:, None]
    result += np.vecdot(b, b)
    return np.maximum(result, 0, out=result)


def euclidean(a: FloatArray, b: FloatArray) -> FloatArray:
    """Lengths of the differences of rows (N, D) and (M, D): (N, M)."""
    return np.sqrt(squared_euclidean(a, b))


class Twins(NamedTuple):
    """Positions of rows that equal an earlier one, and of the first of these."""

    later: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]

    def equalise(self, columns: Any) -> None:
        """Give the columns (N, M) of an array or a tensor that belong to equal rows one value.

        Their products are summed in another order in another place of the matrix and may differ
        in the last digit, and chance would break the tie.
        """
        if len(self.later):
            columns[:, self.later] = columns[:, self.first]


def find_twins(rows: FloatArray) -> Twins:
    """Which of the rows (N, D) are equal."""
    direction = np.asarray(np.random.default_rng(0).standard_normal(rows.shape[1]), rows.dtype)
    _, group, counts = np.unique(
        np.vecdot(rows, direction), return_inverse=True, return_counts=True
    )
    first: dict[bytes, int] = {}
    pairs = []
    for position in np.flatnonzero(counts[group] > 1).tolist():
        earliest = first.setdefault((rows[position] + 0.0).tobytes(), position)  # -0 equals 0
        if earliest != position:
            pairs.append((position, earliest))
    later, earlier = np.array(pairs, np.int64).reshape(-1, 2).T
    return Twins(later, earlier)


def _check(a: FloatArray, b: FloatArray) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise EncoderError(f"embeddings must be (N, D) and (M, D), not {a.shape} and {b.shape}")
