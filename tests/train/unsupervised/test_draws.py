"""Batches of clusters."""

from __future__ import annotations

import numpy as np
import pytest

from train.errors import TrainError
from train.unsupervised.clustering import ClusteringSettings
from train.unsupervised.draws import ClusterDraws

CLUSTERING = ClusteringSettings(k1=8, k2=3, eps=0.5, rho=None, min_samples=2, tracklets=False)
LABELS = np.array([1, -1, 0, 0, 2, 1, -1, 2, 0, 2])


def draws(identities: int, steps: int | None = None) -> ClusterDraws:
    return ClusterDraws([1, 2] * 5, CLUSTERING, identities, 2, steps, seed=4)


def test_batches_are_of_clustered_images() -> None:
    made = draws(2, steps=6)
    assert made.renew(LABELS, 1) == ""
    batches = [[draw.image for draw in batch] for batch in made]
    assert len(batches) == len(made) == 6
    for batch in batches:
        assert sorted(np.bincount(LABELS[batch], minlength=3)) == [0, 2, 2]
    assert {image for batch in batches for image in batch} == set(np.flatnonzero(LABELS >= 0))
    made.renew(LABELS, 2)
    other = [[draw.image for draw in batch] for batch in made]
    made.renew(LABELS, 1)
    assert [[draw.image for draw in batch] for batch in made] == batches != other


def test_what_is_said() -> None:
    made = draws(5)
    assert "3 clusters, so that a batch has 3 of them in place of 5" in made.renew(LABELS, 1)
    assert all(len(batch) == 6 for batch in made)
    few = np.array([0, 0, 1, 1, -1, -1, -1, -1, -1, -1])
    note = draws(2).renew(few, 3)
    assert "epoch 3: 6 of the 10 images are in no cluster and are not learnt from" in note


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([-1] * 10, r"none of the 10 images .* raise clustering\.eps \(now 0\.5\)"),
        ([-1] + [0] * 9, r"all 9 images that are in a cluster are in the same"),
    ],
)
def test_too_few_clusters(labels: list[int], says: str) -> None:
    with pytest.raises(TrainError, match=says):
        draws(2).renew(np.array(labels), 1)
