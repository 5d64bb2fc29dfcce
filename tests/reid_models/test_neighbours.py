"""The nearest rows: by numpy and by torch, against FAISS and a sort of all distances."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from reid_models import neighbours
from reid_models.neighbours import nearest

WAYS = [None, "cpu"]  # numpy; what also runs on an accelerator


def rows_of(seed: int, count: int, dimension: int = 16) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("device", WAYS)
@pytest.mark.parametrize("count", [1, 7, 300])
def test_agrees_with_faiss(monkeypatch: pytest.MonkeyPatch, device: str | None, count: int) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 300 * 70)
    rows = rows_of(1, 300)
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    theirs, _ = index.search(rows, count)
    order, largest = nearest(rows, count, device)
    squared = ((rows[:, None].astype(float) - rows) ** 2).sum(axis=2)
    ours = np.take_along_axis(squared, order, axis=1)
    assert (order[:, 0] == np.arange(300)).all()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(largest, squared.max(axis=1), atol=1e-5)


@pytest.mark.parametrize("device", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_ties_keep_their_order(
    monkeypatch: pytest.MonkeyPatch, device: str | None, seed: int
) -> None:
    """Few different rows, each many times: the numbers decide, as a stable sort has it."""
    monkeypatch.setattr(neighbours, "BLOCK", 90 * 11)
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 6, 90)
    rows = np.eye(6, dtype=np.float32)[places] if seed % 2 else rows_of(seed, 6, 333)[places]
    kinds = np.eye(6) if seed % 2 else rows_of(seed, 6, 333).astype(float)
    squared = ((kinds[:, None] - kinds) ** 2).sum(axis=2).round(9)[np.ix_(places, places)]
    squared[np.arange(90), np.arange(90)] = -1
    for count in (1, 5, 40, 90):
        wanted = np.argsort(squared, axis=1, kind="stable")[:, :count]
        np.testing.assert_array_equal(nearest(rows, count, device)[0], wanted)
