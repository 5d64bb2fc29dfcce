"""Tracklets as constraints of a clustering."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from train.data import Sample
from train.errors import TrainError
from train.unsupervised.clustering import ClusteringSettings, cluster, pseudo_labels
from train.unsupervised.tracklets import Tracklets


def sample(camera: int, tracklet: int | None, time: float | None) -> Sample:
    return Sample(Path("x.jpg"), 1, camera, tracklet, time)


# Tracklet 1 of camera 1 runs from 0 to 5, its 2 from 5 to 9, its 3 from 9.5; camera 2 is another.
SAMPLES = [
    *(sample(1, 1, t) for t in (0.0, 2.0, 5.0)),
    *(sample(1, 2, t) for t in (9.0, 5.0)),
    *(sample(1, 3, t) for t in (9.5, 11.0)),
    *(sample(2, 1, t) for t in (0.0, 20.0)),
]


def test_who_is_apart() -> None:
    """Against a loop over all pairs of random spans."""
    assert Tracklets(SAMPLES).of.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert Tracklets(SAMPLES).apart == {(0, 1)}
    rng = np.random.default_rng(0)
    spans = [sorted(rng.integers(0, 50, 2).tolist()) for _ in range(40)]
    found = Tracklets([sample(1, n, t) for n, span in enumerate(spans) for t in span]).apart
    assert found == {
        (a, b)
        for a in range(40)
        for b in range(a + 1, 40)
        if spans[a][0] <= spans[b][1] and spans[b][0] <= spans[a][1]
    }


def test_distances() -> None:
    rng = np.random.default_rng(1)
    dense = rng.uniform(0.1, 0.9, (9, 9))
    dense = np.where(rng.uniform(size=(9, 9)) < 0.5, 1, (dense + dense.T) / 2)
    dense = np.maximum(dense, dense.T)
    np.fill_diagonal(dense, 0.0)
    rows, columns = np.nonzero(dense < 1)
    given = sparse.csr_array((dense[rows, columns], (rows, columns)), (9, 9))
    tracklets = Tracklets(SAMPLES)
    constrained = tracklets.constrain(given).tocoo()
    found = np.ones((9, 9))
    found[constrained.row, constrained.col] = constrained.data
    for i in range(9):
        for j in range(9):
            a, b = sorted((tracklets.of[i], tracklets.of[j]))
            pairs = [(k, m) for k in range(9) for m in range(9) if tracklets.of[k] == a]
            values = [dense[k, m] for k, m in pairs if tracklets.of[m] == b]
            wanted = 0 if a == b else 1 if (a, b) in tracklets.apart else np.mean(values)
            assert found[i, j] == pytest.approx(wanted, abs=1e-12)


def test_one_pair_that_looks_alike_joins_nobody() -> None:
    """Two tracklets of five images, of which one of each is like the other: single images would
    join all."""
    samples = [sample(1 + n // 5, n // 5, float(n)) for n in range(10)]
    dense = np.ones((10, 10))
    dense[:5, :5] = dense[5:, 5:] = 0.2
    dense[4, 5] = dense[5, 4] = 0.3
    np.fill_diagonal(dense, 0)
    rows, columns = np.nonzero(dense < 1)
    given = sparse.csr_array((dense[rows, columns], (rows, columns)), (10, 10))
    assert set(cluster(given, 0.5, 4).tolist()) == {0}
    labels = cluster(Tracklets(samples).constrain(given), 0.5, 4)
    assert labels.tolist() == [0] * 5 + [1] * 5


def test_repair() -> None:
    """The majority decides within a tracklet; the smaller of two that overlap has to go."""
    labels = np.array([4, -1, -1, 4, 4, -1, -1, 7, 4])
    assert Tracklets(SAMPLES).repair(labels).tolist() == [4, 4, 4, -1, -1, -1, -1, 4, 4]


def test_a_clustering_keeps_to_them() -> None:
    """All images look alike, but for noise: each person walks past twice, at another time."""
    rng = np.random.default_rng(2)
    samples = [sample(1, n, 10.0 * (n // 2) + t) for n in range(8) for t in range(5)]
    features = 1 + 0.01 * rng.standard_normal((40, 8))
    values = {"k1": 30, "k2": 6, "eps": 0.6, "rho": None, "min_samples": 4, "tracklets": True}
    settings = ClusteringSettings.model_validate(values)
    tracklets = Tracklets(samples)
    labels = pseudo_labels(features, settings, tracklets).reshape(8, 5)
    assert (labels == labels[:, :1]).all()
    assert (labels >= 0).any()
    for a, b in tracklets.apart:
        assert labels[a, 0] != labels[b, 0] or labels[a, 0] == -1
    assert set(pseudo_labels(features, settings).tolist()) == {0}


@pytest.mark.parametrize("missing", [sample(1, None, 0.0), sample(1, 1, None)])
def test_data_without_tracklets(missing: Sample) -> None:
    with pytest.raises(TrainError, match=r"do not say of which tracklet.* set clustering"):
        Tracklets([*SAMPLES, missing])
