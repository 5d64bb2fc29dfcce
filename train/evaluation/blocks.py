"""The matrix of distances, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reid_models.distances import find_twins
from train.errors import TrainError
from train.evaluation.features import FloatArray

Metric = Literal["cosine", "euclidean"]
BLOCK = 1 << 25  # distances at once: 128 MB in float32


@dataclass(frozen=True)
class Block:
    """Some queries against the whole gallery.

    Attributes:
        rows: of the queries, B of them.
        keys: (B, G), within each row in the order of the distances. May be changed: the memory is
            used again for the next block.
        scale: (B,); with ``shift`` (B,), ``shift + scale * keys`` are the distances: ``1 - cos``
            or the squared Euclidean ones.
        shift: (B,).
    """

    rows: slice
    keys: FloatArray
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]


def distance_blocks(query: FloatArray, gallery: FloatArray, metric: Metric) -> Iterator[Block]:
    """Blocks for all queries, in order, of 128 MB, or of one row where that is more.

    numpy multiplies: on some processors torch is slower at it.

    Args:
        query: (Q, D).
        gallery: (G, D).
        metric: ``cosine`` or ``euclidean``.

    Raises:
        TrainError: the shapes do not fit, one of them is empty, or the metric is unknown.
    """
    product = Product(query, gallery, metric)
    memory: FloatArray | None = None
    for rows in row_slices(*product.shape):
        left = product.left(rows)
        if memory is None:
            memory = np.empty((len(left), len(gallery)), left.dtype)
        keys = np.matmul(left, product.gallery.T, out=memory[: len(left)])
        if metric == "cosine":
            keys /= product.lengths
        else:
            keys += product.squares
        product.twins.equalise(keys)
        yield Block(rows, keys, *product.scale_and_shift(rows))


def matrix_blocks(distances: FloatArray) -> Iterator[Block]:
    """Blocks of a matrix (Q, G) that is known already, copied."""
    for rows in row_slices(*distances.shape):
        keys = distances[rows].copy()
        yield Block(rows, keys, np.ones(len(keys)), np.zeros(len(keys)))


def row_slices(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a matrix in pieces of `BLOCK` elements."""
    step = max(1, BLOCK // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


class Product:
    """What turns the product of query and gallery into distances.

    What does not change the order within a row is kept out of the keys, and nothing of the
    gallery's size is copied.

    Attributes:
        gallery: (G, D), in single precision or better.
        squares: (G,) squared lengths.
        lengths: (G,), above 0.
        twins: which rows of the gallery are equal.
    """

    def __init__(self, query: FloatArray, gallery: FloatArray, metric: Metric) -> None:
        _check(query, gallery, metric)
        dtype = np.result_type(query, gallery, np.float32)
        self._query, self.gallery = np.asarray(query, dtype), np.asarray(gallery, dtype)
        self._metric = metric
        self.squares = np.vecdot(self.gallery, self.gallery)
        self.lengths = _above_zero(np.sqrt(self.squares))
        self.twins = find_twins(self.gallery)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._query), len(self.gallery)

    def left(self, rows: slice) -> FloatArray:
        """What the gallery is multiplied by. The factors are exact in binary."""
        return np.asarray(self._query[rows] * (-1.0 if self._metric == "cosine" else -2.0))

    def scale_and_shift(
        self, rows: slice
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """See `Block`."""
        squares = np.vecdot(self._query[rows], self._query[rows]).astype(np.float64)
        if self._metric == "cosine":
            return 1 / _above_zero(np.sqrt(squares)), np.ones(len(squares))
        return np.ones(len(squares)), squares


def _check(query: FloatArray, gallery: FloatArray, metric: Any) -> None:
    if metric not in ("cosine", "euclidean"):
        raise TrainError(f"metric must be cosine or euclidean, not {metric!r}")
    if not len(query) or not len(gallery):
        raise TrainError("neither query nor gallery may be empty")
    if query.shape[1] != gallery.shape[1]:
        raise TrainError(
            f"query and gallery differ in dimension: {query.shape[1]} and {gallery.shape[1]}"
        )


def _above_zero(lengths: FloatArray) -> FloatArray:
    return np.maximum(lengths, np.finfo(lengths.dtype).tiny)
