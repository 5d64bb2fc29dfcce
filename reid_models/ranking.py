"""k-reciprocal neighbours: who are each other's neighbours, and how much two such sets share.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding" (2017). Two
definitions are in use. `jaccard_distance` is the one of the clustering methods: k1 neighbours,
squared distances of normalised features as they are. `rerank` is the published re-ranking: k1 + 1
neighbours, squared distances divided by the largest of their row.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import sparse

from reid_models.distances import FloatArray, normalise, squared_euclidean
from reid_models.errors import EncoderError
from reid_models.neighbours import IntArray, nearest, row_blocks

_SUMS = 1 << 18  # sums of minima at once, so that they stay in the processor's cache


def jaccard_distance(
    features: FloatArray, k1: int = 20, k2: int = 6, device: str | None = None
) -> sparse.csr_array:
    """The k-reciprocal Jaccard distances below 1; what is not stored is 1.

    Args:
        features: (N, D) embeddings; normalised here.
        k1: size of the neighbourhoods, oneself included.
        k2: rows averaged by the local query expansion, oneself included; 1 for none.
        device: of torch, for the neighbour search; None: numpy. The rest is the processor's.

    Returns:
        (N, N), symmetric, values in [0, 1), the zeros of the diagonal stored.
    """
    _check(k1, k2)
    shared = _overlap(_encoded(normalise(features), k1, k2, device), len(features))
    for part in row_blocks(shared.nnz, 64):  # small parts: at once it would be the most of memory
        shared.data[part] = np.maximum(1 - shared.data[part] / (2 - shared.data[part]), 0)
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
    order, largest = nearest(rows, min(max(k1 + 1, k2, _half(k1)), len(rows)))
    members = _expanded(order, k1 + 1, _half(k1))
    counts = np.diff(members.indptr)
    weights = np.exp(-_pair_distances(rows, members) / np.repeat(largest, counts))
    encoded = _query_expansion(_with_weights(members, weights), order, k2)
    split = len(query)
    shared = _overlap(encoded, split)[:, split:]
    shared.data *= (1 - weight) / (2 - shared.data)
    result = np.empty((split, len(gallery)), rows.dtype)
    for part in row_blocks(split, len(rows)):
        block = squared_euclidean(rows[part], rows[split:]) / largest[part, None]
        block *= weight
        block += 1 - weight
        common = shared[part].tocoo()
        block[common.row, common.col] -= common.data
        np.clip(block, 0, 1, out=result[part])  # of rounding
    return result


def _encoded(rows: FloatArray, k1: int, k2: int, device: str | None) -> sparse.csr_array:
    """What each row shares with whom: the matrix V, after the local query expansion."""
    order, _ = nearest(rows, min(max(k1, k2, _half(k1)), len(rows)), device)
    members = _expanded(order, k1, _half(k1))
    weights = np.exp(-_pair_distances(rows, members))
    return _query_expansion(_with_weights(members, weights), order, k2)


def _check(k1: int, k2: int) -> None:
    if k1 < 1 or k2 < 1:
        raise EncoderError(f"k1 and k2 must be at least 1, not {k1} and {k2}")


def _half(k1: int) -> int:
    return round(k1 / 2) + 1  # halves to even, as published


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
    squares = np.vecdot(rows, rows)
    result = np.empty(members.nnz, rows.dtype)
    for row, (start, stop) in enumerate(pairwise(members.indptr.tolist())):
        own = members.indices[start:stop]
        products = rows[own] @ rows[row]
        result[start:stop] = squares[row] + squares[own] - 2 * products
    return np.maximum(result, 0, out=result)


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
    total, step = encoded.shape[0], max(1, _SUMS // encoded.shape[0])
    pointers = np.zeros(count + 1, np.int64)
    indices, values = np.empty(0, np.int32), np.empty(0, encoded.dtype)
    for start in range(0, count, step):
        stop = min(start + step, count)
        sums = _sums_of_minima(encoded[start:stop], columns)
        found = np.flatnonzero(sums)
        ends = pointers[start] + np.searchsorted(found, total * np.arange(1, stop - start + 1))
        pointers[start + 1 : stop + 1] = ends
        for array, part in ((indices, found % total), (values, sums[found])):
            array.resize(ends[-1], refcheck=False)  # in place: a copy would be the most of memory
            array[pointers[start] :] = part
    fitting = sparse.get_index_dtype(maxval=len(values))  # one of 64 bits would double the indices
    return sparse.csr_array((values, indices, pointers.astype(fitting)), (count, total))


def _sums_of_minima(rows: sparse.csr_array, columns: sparse.csc_array) -> FloatArray:
    """Of a few rows with all rows, whose columns are given: (rows x all rows,), mostly zeros."""
    total = columns.shape[0]
    meets = np.diff(columns.indptr)[rows.indices]  # rows with something in each entry's column
    ends = np.cumsum(meets)
    places = np.arange(ends[-1]) + np.repeat(columns.indptr[rows.indices] - ends + meets, meets)
    minima = np.minimum(columns.data[places], np.repeat(rows.data, meets))
    own = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    pairs = columns.indices[places] + np.repeat(total * own, meets)
    return np.asarray(np.bincount(pairs, minima, total * rows.shape[0]))
