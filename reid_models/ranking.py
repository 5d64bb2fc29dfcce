"""k-reciprocal neighbours: who are each other's neighbours, and how much two such sets share.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding" (2017). Two
definitions are in use. `jaccard_distance` is the one of the clustering methods: k1 neighbours,
squared distances of normalised features as they are. `rerank` is the published re-ranking: k1 + 1
neighbours, squared distances divided by the largest of their row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reid_models.distances import FloatArray, find_twins, normalise, squared_euclidean
from reid_models.errors import EncoderError

IntArray = npt.NDArray[np.int64]
_BLOCK = 1 << 24  # distances at once, 64 MB in float32


def jaccard_distance(features: FloatArray, k1: int = 20, k2: int = 6) -> sparse.csr_array:
    """The k-reciprocal Jaccard distances below 1; what is not stored is 1.

    Args:
        features: (N, D) embeddings; normalised here.
        k1: size of the neighbourhoods, oneself included.
        k2: rows averaged by the local query expansion, oneself included; 1 for none.

    Returns:
        (N, N), symmetric, values in [0, 1), the zeros of the diagonal stored.
    """
    _check(k1, k2)
    rows = normalise(features)
    order, _ = _neighbours(rows, min(max(k1, k2, _half(k1)), len(rows)))
    members = _expanded(order, k1, _half(k1))
    weights = np.exp(-_pair_distances(rows, members))
    shared = _overlap(_query_expansion(_with_weights(members, weights), order, k2), len(rows))
    shared.data = np.maximum(1 - shared.data / (2 - shared.data), 0)
    return shared


def rerank(
    query: FloatArray, gallery: FloatArray, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> FloatArray:
    """Distances of queries and gallery, from the Jaccard distance and the original one.

    Args:
        query: (Q, D) embeddings; normalised here.
        gallery: (G, D).
        k1: size of the neighbourhoods, without oneself.
        k2: rows averaged by the local query expansion, oneself included; 1 for none.
        weight: of the original distance, in [0, 1].

    Returns:
        (Q, G) in [0, 1].
    """
    _check(k1, k2)
    if not 0 <= weight <= 1:
        raise EncoderError(f"weight must be in [0, 1], not {weight}")
    rows = normalise(np.concatenate([query, gallery]))
    order, largest = _neighbours(rows, min(max(k1 + 1, k2, _half(k1)), len(rows)))
    members = _expanded(order, k1 + 1, _half(k1))
    counts = np.diff(members.indptr)
    weights = np.exp(-_pair_distances(rows, members) / np.repeat(largest, counts))
    encoded = _query_expansion(_with_weights(members, weights), order, k2)
    split = len(query)
    shared = _overlap(encoded, split)[:, split:]
    shared.data *= (1 - weight) / (2 - shared.data)
    result = np.empty((split, len(gallery)), rows.dtype)
    for part in _blocks(split, len(rows)):
        block = squared_euclidean(rows[part], rows[split:]) / largest[part, None]
        block *= weight
        block += 1 - weight
        common = shared[part].tocoo()
        block[common.row, common.col] -= common.data
        np.clip(block, 0, 1, out=result[part])  # of rounding
    return result


def _check(k1: int, k2: int) -> None:
    if k1 < 1 or k2 < 1:
        raise EncoderError(f"k1 and k2 must be at least 1, not {k1} and {k2}")


def _half(k1: int) -> int:
    return round(k1 / 2) + 1  # halves to even, as published


def _neighbours(rows: FloatArray, count: int) -> tuple[IntArray, FloatArray]:
    """The nearest rows of each row, itself first and ties in order: (N, count); and each row's
    largest squared distance (N,)."""
    total, twins = len(rows), find_twins(rows)
    order = np.empty((total, count), np.int64)
    largest = np.empty(total, rows.dtype)
    for part in _blocks(total, total):
        block = squared_euclidean(rows[part], rows)
        twins.equalise(block)
        largest[part] = block.max(axis=1)
        block[np.arange(len(block)), np.arange(part.start, part.stop)] = -1
        order[part] = _smallest(block, count)
    return order, largest


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a matrix in pieces of `_BLOCK` elements."""
    step = max(1, _BLOCK // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _smallest(block: FloatArray, count: int) -> IntArray:
    """What a stable sort puts first in each row, without sorting what lies behind it."""
    limit = np.partition(block, count - 1, axis=1)[:, count - 1, None]
    result = np.empty((len(block), count), np.int64)
    for index, candidates in enumerate(block <= limit):
        found = np.flatnonzero(candidates)  # in order, and more than count where the last tie
        result[index] = found[np.argsort(block[index, found], kind="stable")[:count]]
    return result


def _membership(order: IntArray, count: int) -> sparse.csr_array:
    """(N, N) of ones where the column is among the first ``count`` neighbours of the row."""
    total, count = len(order), min(count, order.shape[1])
    indices = order[:, :count].ravel()
    pointers = np.arange(total + 1) * count
    return sparse.csr_array((np.ones(indices.size, np.int32), indices, pointers), (total, total))


def _expanded(order: IntArray, count: int, half: int) -> sparse.csr_array:
    """The reciprocal neighbours of each row, and those of its neighbours where they agree."""
    near, close = _membership(order, count), _membership(order, half)
    reciprocal = near.multiply(near.T).tocsr()
    candidates = close.multiply(close.T).tocsr()
    sizes = candidates.sum(axis=1)
    common = reciprocal.multiply(reciprocal @ candidates.T).tocoo()
    agree = 3 * common.data > 2 * sizes[common.col]
    chosen = sparse.csr_array(
        (common.data[agree] * 0 + 1, (common.row[agree], common.col[agree])), near.shape
    )
    members = (reciprocal + chosen @ candidates).tocsr()
    members.sort_indices()
    return members


def _pair_distances(rows: FloatArray, members: sparse.csr_array) -> FloatArray:
    """Squared distances of the stored pairs, in the order of ``members.data``."""
    left = np.repeat(np.arange(len(rows)), np.diff(members.indptr))
    result = np.empty(len(left), rows.dtype)
    for part in _blocks(len(left), rows.shape[1]):
        result[part] = np.square(rows[left[part]] - rows[members.indices[part]]).sum(axis=1)
    return result


def _with_weights(members: sparse.csr_array, weights: FloatArray) -> sparse.csr_array:
    sums = np.add.reduceat(weights, members.indptr[:-1])  # no row is empty: oneself is a member
    shares = weights / np.repeat(sums, np.diff(members.indptr))
    return sparse.csr_array((shares, members.indices, members.indptr), members.shape)


def _query_expansion(encoded: sparse.csr_array, order: IntArray, k2: int) -> sparse.csr_array:
    if k2 == 1:
        return encoded
    expanded = _membership(order, k2).astype(encoded.dtype) @ encoded
    expanded.data /= min(k2, order.shape[1])
    return expanded


def _overlap(encoded: sparse.csr_array, count: int) -> sparse.csr_array:
    """Sums of the element-wise minima of the first ``count`` rows with all rows, where positive."""
    columns = encoded.tocsc()
    total = encoded.shape[0]
    pointers, indices, values = [0], [], []
    for row in range(count):
        own = slice(encoded.indptr[row], encoded.indptr[row + 1])
        part = columns[:, encoded.indices[own]]
        minima = np.minimum(part.data, np.repeat(encoded.data[own], np.diff(part.indptr)))
        sums = np.bincount(part.indices, minima, total)
        found = np.flatnonzero(sums)
        indices.append(found)
        values.append(sums[found].astype(encoded.dtype))
        pointers.append(pointers[-1] + len(found))
    data = (np.concatenate(values), np.concatenate(indices), np.array(pointers))
    return sparse.csr_array(data, (count, total))
