"""k-reciprocal distances against a naive dense loop over sets, and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reid_models import EncoderError, neighbours, ranking
from reid_models.distances import normalise
from reid_models.ranking import jaccard_distance, rerank


def features(seed: int, centres: int, each: int, dimension: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((centres, dimension))
    rows = np.repeat(middle, each, axis=0)
    rows = rows + 0.6 * rng.standard_normal(rows.shape)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


PUBLISHED = features(11, 6, 10)


def naive_jaccard(x: np.ndarray, neighbours: int, k1: int, k2: int, scaled: bool) -> np.ndarray:
    """The definition, with Python sets and float64."""
    n = len(x)
    d = [[math.dist(a, b) ** 2 for b in x] for a in x]
    order = [sorted(range(n), key=lambda j: (j != i, d[i][j], j)) for i in range(n)]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in order[i][:k] if i in order[j][:k]}

    v = np.zeros((n, n))
    for i in range(n):
        start = reciprocal(i, neighbours)
        members = set(start)
        for c in start:
            other = reciprocal(c, round(k1 / 2) + 1)
            if 3 * len(other & start) > 2 * len(other):
                members |= other
        largest = max(d[i]) if scaled else 1.0
        for j in members:
            v[i, j] = math.exp(-d[i][j] / largest)
        v[i] /= v[i].sum()
    v = np.array([np.mean([v[j] for j in order[i][:k2]], axis=0) for i in range(n)])
    m = np.array([[np.minimum(a, b).sum() for b in v] for a in v])
    return 1 - m / (2 - m)


def dense(stored) -> np.ndarray:
    """With 1 where nothing is stored."""
    out = np.ones(stored.shape)
    coordinates = stored.tocoo()
    out[coordinates.row, coordinates.col] = coordinates.data
    return out


def test_published_jaccard_distances() -> None:
    found = jaccard_distance(PUBLISHED, k1=10, k2=3)
    values = dense(found)
    assert values.sum() == pytest.approx(3105.298972664386, abs=1e-6)
    assert found.nnz == 1398
    wanted = [0.0, 0.25133203566857987, 0.1754454269498662, 0.17999405184064776]
    np.testing.assert_allclose(values[0, :4], wanted, atol=1e-9)
    assert values[37, 7] == pytest.approx(0.9947098833976078, abs=1e-9)


def test_published_reranking() -> None:
    found = rerank(PUBLISHED[:20], PUBLISHED[20:], k1=10, k2=3, weight=0.3)
    wanted = [0.84311056, 0.81908333, 0.87844670, 0.84460592, 0.89780450, 0.68781811]
    np.testing.assert_allclose(found[0, :6], wanted, atol=1e-5)
    assert found.sum() == pytest.approx(692.3249318897724, abs=1e-3)


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (7, 1), (5, 9), (60, 3), (1, 1)])
def test_jaccard_agrees_with_the_naive_loop(k1: int, k2: int) -> None:
    x = features(4, 5, 9)
    found = jaccard_distance(x * 3, k1, k2)  # normalised inside
    np.testing.assert_allclose(dense(found), naive_jaccard(x, k1, k1, k2, False), atol=1e-9)
    assert found.data.max() < 1
    assert (found.data >= 0).all()


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_reranking_agrees_with_the_naive_loop(weight: float) -> None:
    x = features(5, 4, 8)
    jaccard = naive_jaccard(x, 8, 7, 4, True)
    original = np.array([[math.dist(a, b) ** 2 for b in x] for a in x])
    original /= original.max(axis=1, keepdims=True)
    wanted = (1 - weight) * jaccard + weight * original
    np.testing.assert_allclose(rerank(x[:9], x[9:], 7, 4, weight), wanted[:9, 9:], atol=1e-9)


def test_equal_distances_keep_their_order() -> None:
    """Unit vectors along the axes: all distances are exactly 0 or 2."""
    x = np.eye(5)[np.random.default_rng(6).integers(0, 5, 80)]
    found = jaccard_distance(x, 6, 3)
    np.testing.assert_allclose(dense(found), naive_jaccard(x, 6, 6, 3, False), atol=1e-12)


def test_copies_tie_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of copies differ in the last digit, by where in the matrix they stand."""
    monkeypatch.setattr(neighbours, "BLOCK", 17 * 40)  # a matrix by itself is multiplied alike
    x = features(7, 40, 1, dimension=333).astype(np.float32)
    x[::2] = x.mean(axis=0)  # near to all, and more than there are neighbours
    naive = naive_jaccard(normalise(x).astype(float), 6, 6, 3, False)
    np.testing.assert_allclose(dense(jaccard_distance(x, 6, 3)), naive, atol=1e-5)


def test_blocks_and_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = jaccard_distance(PUBLISHED, 10, 3)
    monkeypatch.setattr(neighbours, "BLOCK", 250)
    assert abs(jaccard_distance(PUBLISHED, 10, 3) - whole).max() < 1e-12
    parts = rerank(PUBLISHED[:20], PUBLISHED[20:], 10, 3)
    monkeypatch.undo()
    np.testing.assert_allclose(parts, rerank(PUBLISHED[:20], PUBLISHED[20:], 10, 3), atol=1e-12)
    single = jaccard_distance(PUBLISHED.astype(np.float32), 10, 3)
    assert single.dtype == np.float32
    np.testing.assert_allclose(dense(single), dense(whole), atol=1e-5)


def test_more_rows_than_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample bounds the nearest ones, and the sums are made of a few rows at a time."""
    monkeypatch.setattr(ranking, "_SUMS", 1000)
    x = features(8, 20, 8)
    found = jaccard_distance(x, 9, 3)
    np.testing.assert_allclose(dense(found), naive_jaccard(x, 9, 9, 3, False), atol=1e-9)
    whole = found + found.T
    assert abs(whole - 2 * found).max() < 1e-12


def test_the_device_changes_nothing() -> None:
    on_processor = jaccard_distance(PUBLISHED, 10, 3)
    on_device = jaccard_distance(PUBLISHED, 10, 3, device="cpu")
    np.testing.assert_allclose(dense(on_device), dense(on_processor), atol=1e-12)


def test_arguments_out_of_range() -> None:
    with pytest.raises(EncoderError, match="k1 and k2"):
        jaccard_distance(PUBLISHED, 0)
    with pytest.raises(EncoderError, match="weight must be in"):
        rerank(PUBLISHED, PUBLISHED, weight=2)
