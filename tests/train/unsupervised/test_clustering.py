"""Pseudo-labels: DBSCAN on sparse distances against a naive one on dense ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from reid_models.ranking import jaccard_distance
from train.data import Sample
from train.errors import TrainError
from train.unsupervised.clustering import (
    ClusteringSettings,
    cluster,
    cluster_most,
    density_radius,
    pseudo_labels,
    settled,
)
from train.unsupervised.tracklets import Tracklets


def settings(**changes: object) -> ClusteringSettings:
    values = {"k1": 8, "k2": 3, "eps": 0.5, "rho": None, "min_samples": 4, "tracklets": False}
    return ClusteringSettings.model_validate(values | changes)


def people(seed: int, spread: float, count: int = 6, images: int = 10) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count, 8))
    return np.repeat(centres, images, axis=0) + spread * rng.standard_normal((count * images, 8))


def naive_dbscan(distances: np.ndarray, eps: float, min_samples: int) -> list[int]:
    """As the paper has it: a cluster grows from core to core, in the order of the rows."""
    labels = [-1] * len(distances)
    near = [[j for j in range(len(distances)) if row[j] <= eps] for row in distances]
    core = [len(n) >= min_samples for n in near]
    clusters = 0
    for i in range(len(distances)):
        if labels[i] != -1 or not core[i]:
            continue
        waiting = [i]
        labels[i] = clusters
        while waiting:
            j = waiting.pop()
            for k in near[j] if core[j] else []:
                if labels[k] == -1:
                    labels[k] = clusters
                    waiting.append(k)
        clusters += 1
    return [-1 if labels.count(k) < min_samples else k for k in labels]


def groups(labels: np.ndarray) -> list[list[int]]:
    return sorted(np.flatnonzero(labels == k).tolist() for k in set(labels.tolist()) - {-1})


@pytest.mark.parametrize("spread", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("eps", [0.3, 0.5, 0.7])
def test_agrees_with_the_naive_one(spread: float, eps: float) -> None:
    features = people(1, spread)
    distances = jaccard_distance(features, 8, 3)
    dense = np.ones(distances.shape)
    coordinates = distances.tocoo()
    dense[coordinates.row, coordinates.col] = coordinates.data
    found = cluster(distances, eps, 4)
    assert groups(found) == groups(np.array(naive_dbscan(dense, eps, 4)))
    assert (pseudo_labels(features, settings(eps=eps)) == found).all()


def test_people_who_differ_are_told_apart() -> None:
    labels = pseudo_labels(people(2, 0.2), settings())
    assert groups(labels) == [list(range(start, start + 10)) for start in range(0, 60, 10)]


def test_the_density_radius_is_a_mean_over_dense_pairs() -> None:
    distances = jaccard_distance(people(3, 0.5), 8, 3)
    dense = np.ones(distances.shape)
    coordinates = distances.tocoo()
    dense[coordinates.row, coordinates.col] = coordinates.data
    pairs = sorted(dense[i, j] for i in range(60) for j in range(i + 1, 60))
    for rho in (1e-9, 0.01, 0.1, 0.9):
        count = max(1, round(rho * len(pairs)))
        wanted = sum(pairs[:count]) / count
        assert density_radius(distances, rho) == pytest.approx(wanted, abs=1e-12)


def test_rho_decides_the_radius() -> None:
    features = people(3, 0.3)
    distances = jaccard_distance(features, 8, 3)
    wanted = cluster(distances, density_radius(distances, 0.05), 4)
    found = pseudo_labels(features, settings(eps=None, rho=0.05))
    assert (found == wanted).all()
    assert found.max() > 0


@pytest.mark.parametrize("spread", [0.2, 0.6, 1.0])
def test_most_is_the_largest_radius_that_gives_most_clusters(spread: float) -> None:
    features = people(1, spread)
    distances = jaccard_distance(features, 8, 3)
    dense = np.ones(distances.shape)
    coordinates = distances.tocoo()
    dense[coordinates.row, coordinates.col] = coordinates.data
    tried = [groups(np.array(naive_dbscan(dense, n / 100, 4))) for n in range(20, 75, 5)]
    most = max(len(clusters) for clusters in tried)
    wanted = [clusters for clusters in tried if len(clusters) == most][-1]
    assert groups(cluster_most(distances, 4)) == wanted
    assert groups(pseudo_labels(features, settings(eps="most"))) == wanted


def test_clusters_of_one_tracklet_do_not_count() -> None:
    """Six people of two tracklets each, which every radius finds alone: 12 clusters at first."""
    features = people(1, 0.8)
    of = np.arange(60) // 5
    samples = [Sample(Path(f"{n}.jpg"), 1 + n, 1, int(of[n]), float(of[n])) for n in range(60)]
    distances = Tracklets(samples).constrain(jaccard_distance(features, 8, 3))
    joining = [
        sum(len(set(of[rows])) > 1 for rows in groups(cluster(distances, n / 100, 4)))
        for n in range(20, 75, 5)
    ]
    assert joining[0] < max(joining) <= 6
    radius = [n / 100 for n, found in zip(range(20, 75, 5), joining, strict=True)]
    best = max(r for r, found in zip(radius, joining, strict=True) if found == max(joining))
    assert (cluster_most(distances, 4, of) == cluster(distances, best, 4)).all()
    assert (cluster_most(distances, 4) != cluster_most(distances, 4, of)).any()


def test_a_source_takes_part_as_neighbours_only() -> None:
    features, others = people(4, 0.6), people(5, 0.6)
    together = jaccard_distance(np.concatenate([features, others]), 8, 3)
    wanted = cluster(sparse.csr_array(together[:60, :60]), 0.5, 4)
    found = pseudo_labels(features, settings(), others=others)
    assert (found == wanted).all()


def test_a_cluster_that_lost_its_border_is_dissolved() -> None:
    """Rows 0 to 3 and 3 to 6, where 3 is the border of both: the first has it, three are left."""
    rows, columns = zip(
        *[(i, j) for i in range(4) for j in range(4) if i == j or 0 in (i, j)],
        *[(i, j) for i in range(3, 7) for j in range(3, 7) if i == j or 6 in (i, j)],
        strict=True,
    )
    distances = sparse.csr_array(([0.1] * len(rows), (rows, columns)), (7, 7))
    distances.sum_duplicates()
    distances.setdiag(0)
    assert cluster(distances, 0.3, 4).tolist() == [0, 0, 0, 0, -1, -1, -1]


def test_copies_of_one_image_are_one_cluster() -> None:
    features = np.concatenate([people(6, 0.2, count=3), np.tile(people(7, 0.0, 1, 1), (30, 1))])
    labels = pseudo_labels(features, settings())
    assert len(set(labels[30:].tolist())) == 1
    assert labels[30] not in (*labels[:30], -1)


def test_copies_leave_a_radius_to_look_in() -> None:
    features = np.repeat(people(9, 0.2, count=3, images=1), 8, axis=0)
    labels = pseudo_labels(features, settings(eps=None, rho=0.01))
    assert groups(labels) == [list(range(start, start + 8)) for start in (0, 8, 16)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_images_than_neighbours(count: int) -> None:
    assert pseudo_labels(people(8, 0.1, 1, count), settings()).tolist() == [-1] * count


def test_k_means() -> None:
    features = people(2, 0.2)
    wanted = [list(range(start, start + 10)) for start in range(0, 60, 10)]
    by_number = settings(eps=None, kmeans=6)
    assert groups(pseudo_labels(features, by_number)) == wanted
    assert (pseudo_labels(features, by_number) == pseudo_labels(features, by_number)).all()
    assert pseudo_labels(features[:3], by_number).tolist() == [-1] * 3  # of one image each


@pytest.mark.parametrize(
    ("changes", "more", "less"),
    [
        ({}, "raise clustering.eps (now 0.5)", "lower clustering.eps (now 0.5)"),
        ({"eps": "most"}, "raise the radius: set clustering.eps to a number", "lower the radius"),
        ({"eps": None, "rho": 0.1}, "raise clustering.rho", "lower clustering.rho (now 0.1)"),
        ({"eps": None, "kmeans": 9}, "lower clustering.kmeans", "raise clustering.kmeans (now 9)"),
    ],
)
def test_what_to_change(changes: dict[str, object], more: str, less: str) -> None:
    chosen = settings(**changes)
    assert chosen.to_join_more.startswith(more)
    assert chosen.to_part_more.startswith(less)


def test_where_neighbours_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU where there is one; the clusters are those of the processor."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [settings(device=d).search for d in ("auto", "cuda", "cpu")] == ["cuda", "cuda", None]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [settings(device=d).search for d in ("auto", "cpu")] == [None, None]
    with pytest.raises(TrainError, match="torch sees no GPU"):
        pseudo_labels(people(1, 0.3), settings(device="cuda"))
    wanted = pseudo_labels(people(1, 0.3), settings())
    monkeypatch.setattr(ClusteringSettings, "search", "cpu")  # torch's search, as on a GPU
    assert (pseudo_labels(people(1, 0.3), settings()) == wanted).all()


def test_numbers_follow_the_first_images() -> None:
    assert settled(np.array([5, -1, 2, 5, 9, 2]), 1).tolist() == [0, -1, 1, 0, 2, 1]
    assert settled(np.array([9, 5, -1, 2, 5, 2]), 2).tolist() == [-1, 0, -1, 1, 0, 1]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rho": 0.002}, "the others null"),
        ({"eps": None}, "one must be set"),
        ({"eps": 1.0}, "less than 1"),
        ({"min_samples": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_out_of_range(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        settings(**changes)
