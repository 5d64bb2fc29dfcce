"""How well clusters agree with the truth. For reports alone: no method sees these figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def cluster_quality(truth: Sequence[int], labels: IntArray) -> dict[str, float]:
    """Figures by name, all in [0, 1].

    ``purity`` is the share of clustered images that are of the person whom most images of their
    cluster show; ``nmi`` the mutual information of clusters and people over the mean of their
    entropies, of clustered images; ``pair_precision`` the share of pairs within a cluster that
    are of one person; ``pair_recall`` the share of pairs of one person that are in one cluster,
    where outliers are in none. What has nothing to divide by is 0. Images of people whom nobody
    knows take no part; where all are such, there are no figures.

    Args:
        truth: person of each image, above 0; 0 where nobody knows.
        labels: (N,) cluster of each image; -1 for none.
    """
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    known = np.asarray(truth) > 0
    if not known.any():
        return {}
    people, labels = np.asarray(truth)[known], labels[known]
    chosen = labels >= 0
    if not chosen.any():
        return dict.fromkeys(("purity", "nmi", "pair_precision", "pair_recall"), 0.0)
    table = contingency_matrix(people[chosen], labels[chosen]).astype(np.int64)
    right = _pairs(table)
    within, together = _pairs(table.sum(axis=0)), _pairs(np.unique(people, return_counts=True)[1])
    return {
        "purity": float(table.max(axis=0).sum() / chosen.sum()),
        "nmi": float(normalized_mutual_info_score(people[chosen], labels[chosen])),
        "pair_precision": right / within if within else 0.0,
        "pair_recall": right / together if together else 0.0,
    }


def _pairs(sizes: IntArray) -> int:
    return int((sizes * (sizes - 1) // 2).sum())
