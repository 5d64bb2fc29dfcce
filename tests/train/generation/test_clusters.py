"""Clusters that are known, and their silhouettes as scikit-learn has them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from train.errors import TrainError
from train.generation import clusters as module
from train.generation.clusters import cluster, silhouettes

_RNG = np.random.default_rng(2)
CENTRES = 10 * _RNG.standard_normal((3, 6))
TRUTH = np.repeat([0, 1, 2], [20, 33, 7])
FEATURES = (CENTRES[TRUTH] + _RNG.standard_normal((60, 6))).astype(np.float32)


def test_finds_groups_that_are_apart() -> None:
    found = cluster(FEATURES, 3, seed=0)
    assert sorted(np.bincount(found)) == [7, 20, 33]
    for number in range(3):
        assert len(set(TRUTH[found == number])) == 1


def test_the_same_seed_finds_the_same() -> None:
    noise = _RNG.standard_normal((200, 16)).astype(np.float32)
    np.testing.assert_array_equal(cluster(noise, 5, 3), cluster(noise, 5, 3))


def test_silhouettes_agree_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 17)
    alone = TRUTH.copy()
    alone[5] = 3  # a cluster of one
    clusterings = [TRUTH, alone, cluster(FEATURES, 2, 0), _RNG.integers(0, 5, 60)]
    expected = [silhouette_score(FEATURES.astype(float), own) for own in clusterings]
    np.testing.assert_allclose(silhouettes(FEATURES, clusterings), expected, atol=1e-4)


def test_copies_have_a_silhouette_too() -> None:
    rows = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    assert silhouettes(rows, [np.repeat([0, 1], 4)]) == [1.0]
    assert silhouettes(np.ones((4, 3), np.float32), [np.array([0, 0, 1, 1])]) == [0.0]


def test_too_few_images_and_too_few_looks() -> None:
    with pytest.raises(TrainError, match="2 images cannot be parted into 3 clusters"):
        cluster(FEATURES[:2], 3, 0)
    with pytest.raises(TrainError, match="of 3 is empty: the images have fewer different looks"):
        cluster(np.repeat(FEATURES[:1], 10, axis=0), 3, 0)
