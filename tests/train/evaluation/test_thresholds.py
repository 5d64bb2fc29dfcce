"""Recommended thresholds against a naive loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from train.errors import TrainError
from train.evaluation import Features, recommend


def features(rng: np.random.Generator, count: int, lowest: int = 1) -> Features:
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Features(vectors, rng.integers(lowest, 9, count), rng.integers(1, 4, count))


@pytest.mark.parametrize("sizes", [(700, 90), (5, 9), (2, 3)])
def test_it_is_the_share_of_other_people_in_other_cameras(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    query, gallery = features(rng, sizes[0]), features(rng, sizes[1], lowest=-1)
    similarities = [
        float(query.embeddings[q] @ gallery.embeddings[g])
        for q in range(sizes[0])
        for g in range(sizes[1])
        if query.identities[q] != gallery.identities[g] != -1
        and query.cameras[q] != gallery.cameras[g]
    ]
    found = recommend(query, gallery)
    assert found.accept == pytest.approx(np.quantile(similarities, 1 - 1e-4), abs=1e-4)
    assert found.new == pytest.approx(np.quantile(similarities, 1 - 1e-2), abs=1e-4)


@pytest.mark.parametrize(("sign", "wanted"), [(1, 0.9999), (-1, -0.9999)])
def test_everybody_alike(sign: int, wanted: float) -> None:
    """What a training that has collapsed gives; a threshold lies within (-1, 1)."""
    one = np.ones((4, 3), np.float32)
    people, cameras = np.array([1, 1, 2, 2]), np.array([1, 2, 1, 2])
    found = recommend(Features(one, people, cameras), Features(sign * one, people, cameras))
    assert (found.accept, found.new) == (wanted, wanted)


def test_nobody_to_tell_apart() -> None:
    alone = Features(np.eye(3), np.ones(3, int), np.arange(3))
    with pytest.raises(TrainError, match="two people in two cameras"):
        recommend(alone, alone)
