"""Cluster quality by naive loops over images and pairs."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from train.unsupervised.quality import cluster_quality


def entropy(values: list[object]) -> float:
    shares = [count / len(values) for count in Counter(values).values()]
    return -sum(share * math.log(share) for share in shares)


def naive(truth: list[int], labels: list[int]) -> dict[str, float]:
    both = [(t, k) for t, k in zip(truth, labels, strict=True) if k >= 0]
    most = sum(
        Counter(t for t, k in both if k == cluster).most_common(1)[0][1]
        for cluster in {k for _, k in both}
    )
    people, clusters = entropy([t for t, _ in both]), entropy([k for _, k in both])
    information = people + clusters - entropy(list(both))
    within = [a[0] == b[0] for a, b in combinations(both, 2) if a[1] == b[1]]
    same = sum(a == b for a, b in combinations(truth, 2))
    return {
        "purity": most / len(both),
        "nmi": information / ((people + clusters) / 2),
        "pair_precision": sum(within) / len(within),
        "pair_recall": sum(within) / same,
    }


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_naive_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, labels = rng.integers(1, 6, 40), rng.integers(-1, 5, 40)
    found = cluster_quality(truth.tolist(), labels)
    assert found == pytest.approx(naive(truth.tolist(), labels.tolist()), abs=1e-12)


def test_perfect_clusters() -> None:
    found = cluster_quality([3, 3, 8, 8], np.array([1, 1, 0, 0]))
    assert found == pytest.approx(dict.fromkeys(found, 1.0))


def test_unknown_people_take_no_part() -> None:
    truth, labels = [3, 0, 3, 8, 0, 8], np.array([1, 1, 1, 0, -1, 1])
    known = [place for place, who in enumerate(truth) if who]
    wanted = cluster_quality([truth[place] for place in known], labels[known])
    assert cluster_quality(truth, labels) == wanted
    assert cluster_quality([0, 0, 0], np.array([0, 0, 1])) == {}


def test_no_cluster() -> None:
    assert set(cluster_quality([1, 1, 2], np.array([-1, -1, -1])).values()) == {0.0}
