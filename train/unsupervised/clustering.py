"""Pseudo-labels: which images a clustering takes for one person.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), sections 4.3.3 and 6.3.1:
DBSCAN on k-reciprocal Jaccard distances; for comparison k-means.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from scipy import sparse

from reid_models.ranking import jaccard_distance
from train.errors import TrainError
from train.loop import Settings
from train.unsupervised.tracklets import Tracklets

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
OUTLIER = -1
_LEAST = 1e-6
_RADII = tuple(number / 100 for number in range(20, 75, 5))  # that `cluster_most` tries

_Share = Annotated[float, Field(gt=0, lt=1)]


class ClusteringSettings(Settings):
    """How images are grouped; the YAML files of the methods say what each key means."""

    k1: int = Field(ge=1)
    k2: int = Field(ge=1)
    eps: _Share | Literal["most"] | None
    rho: _Share | None
    kmeans: int | None = Field(default=None, ge=2)
    min_samples: int = Field(ge=2)
    tracklets: bool
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _one_way(self) -> ClusteringSettings:
        if [self.eps, self.rho, self.kmeans].count(None) != 2:
            raise ValueError("eps, rho, kmeans: one must be set, the others null")
        return self

    @property
    def search(self) -> str | None:
        """The device, as `jaccard_distance` wants it.

        Raises:
            TrainError: there is no such device.
        """
        there = torch.cuda.is_available()
        if self.device == "cuda" and not there:
            raise TrainError("clustering.device=cuda: torch sees no GPU; set it to auto or cpu")
        return "cuda" if there and self.device != "cpu" else None

    @property
    def to_join_more(self) -> str:
        """What to change where too few images are taken for one person."""
        return self._change("raise", "lower")

    @property
    def to_part_more(self) -> str:
        """What to change where too many are."""
        return self._change("lower", "raise")

    def _change(self, radius: str, number: str) -> str:
        if self.kmeans is not None:
            return f"{number} clustering.kmeans (now {self.kmeans})"
        if self.eps == "most":
            return f"{radius} the radius: set clustering.eps to a number (now most)"
        if self.eps is not None:
            return f"{radius} clustering.eps (now {self.eps})"
        return f"{radius} clustering.rho (now {self.rho})"


def pseudo_labels(
    features: FloatArray,
    settings: ClusteringSettings,
    tracklets: Tracklets | None = None,
    others: FloatArray | None = None,
) -> IntArray:
    """A cluster for each row, from 0, or `OUTLIER`.

    Args:
        features: (N, D) embeddings.
        settings: how to cluster.
        tracklets: of the rows, where they are to be kept together and apart.
        others: (M, D) embeddings of a labelled source, which take part as neighbours only.
    """
    labels = _clusters(features, settings, tracklets, others)
    return labels if tracklets is None else settled(tracklets.repair(labels), settings.min_samples)


def _clusters(
    features: FloatArray,
    settings: ClusteringSettings,
    tracklets: Tracklets | None,
    others: FloatArray | None,
) -> IntArray:
    if settings.kmeans is not None:
        return settled(_by_k_means(features, settings.kmeans), settings.min_samples)
    if others is None:
        distances = jaccard_distance(features, settings.k1, settings.k2, settings.search)
    else:
        together = np.concatenate([features, others])
        distances = jaccard_distance(together, settings.k1, settings.k2, settings.search)
        distances = distances[: len(features), : len(features)]
    radius = settings.eps
    if settings.rho is not None:
        # Copies of images are at distance 0; DBSCAN wants a radius above that.
        radius = max(density_radius(distances, settings.rho), _LEAST)
    if tracklets is not None:
        distances = tracklets.constrain(distances)
    if radius == "most":
        of = None if tracklets is None else tracklets.of
        return cluster_most(distances, settings.min_samples, of)
    assert radius is not None  # `_one_way`
    return cluster(distances, radius, settings.min_samples)


def _by_k_means(features: FloatArray, clusters: int) -> IntArray:
    """K-means from k-means++ of the rows (N, D); no more clusters than rows."""
    from sklearn.cluster import KMeans

    found = KMeans(min(clusters, len(features)), n_init=1, random_state=0).fit_predict(features)
    return np.asarray(found, np.int64)


def density_radius(distances: sparse.csr_array, rho: float) -> float:
    """The mean of the smallest share ``rho`` of the distances between two different rows.

    Args:
        distances: (N, N), symmetric; what is not stored is 1.
        rho: in (0, 1); at least one distance is taken.
    """
    upper = sparse.triu(distances, 1, format="csr").data
    pairs = distances.shape[0] * (distances.shape[0] - 1) // 2
    count = max(1, min(round(rho * pairs), pairs))
    stored = min(count, len(upper))
    smallest = np.partition(upper, stored - 1)[:stored] if stored else upper[:0]
    return float((smallest.sum(dtype=np.float64) + (count - stored)) / count)


def cluster(distances: sparse.csr_array, eps: float, min_samples: int) -> IntArray:
    """DBSCAN (Ester et al., 1996) on sparse distances; a cluster for each row, or `OUTLIER`.

    A cluster that has lost so much of its border to another that fewer than ``min_samples`` are
    left is dissolved, so that there are at most N / ``min_samples``.

    Args:
        distances: (N, N), symmetric, the zeros of the diagonal stored; what is not stored is far.
        eps: distance up to which two rows are neighbours, below 1.
        min_samples: neighbours, oneself included, that make a row part of a cluster's core.
    """
    # Late: it takes a second, and only these methods need it.
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import sort_graph_by_row_values

    graph = sort_graph_by_row_values(sparse.csr_matrix(distances), warn_when_not_sorted=False)
    found = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit_predict(graph)
    return settled(np.asarray(found, np.int64), min_samples)


def cluster_most(
    distances: sparse.csr_array, min_samples: int, tracklets: IntArray | None = None
) -> IntArray:
    """`cluster` with the radius, of 0.20, 0.25 and so on to 0.70, that gives most clusters, the
    largest of several.

    Below it people are still missing, since few images are dense enough; above it more of them
    join than come. Which radius that is depends on how well the encoder tells people apart and on
    how many there are, and nobody has to know either.

    Args:
        distances, min_samples: as of `cluster`.
        tracklets: (N,) number of each row's tracklet, whose rows are at distance 0; a cluster of
            one tracklet alone says nothing new and does not count. None: each is its own.
    """
    of = np.arange(distances.shape[0]) if tracklets is None else tracklets
    found = [cluster(distances, radius, min_samples) for radius in reversed(_RADII)]
    return max(found, key=lambda labels: _joining(labels, of))


def _joining(labels: IntArray, tracklets: IntArray) -> int:
    """Clusters of more than one tracklet."""
    pairs = np.unique(np.stack([labels, tracklets]), axis=1)
    _, counts = np.unique(pairs[0, pairs[0] != OUTLIER], return_counts=True)
    return int((counts > 1).sum())


def settled(labels: IntArray, min_samples: int) -> IntArray:
    """The clusters of at least ``min_samples`` images, numbered from 0 without gaps in the order
    of their first images."""
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    kept = (names != OUTLIER) & (sizes >= min_samples)
    result = np.full(len(labels), OUTLIER, np.int64)
    for number, name in enumerate(names[kept][np.argsort(first[kept])]):
        result[labels == name] = number
    return result


def cluster_means(rows: FloatArray, labels: IntArray) -> FloatArray:
    """The mean row of each cluster, (C, D) (equation 6.4); labels from 0, -1 for none."""
    means = np.zeros((labels.max() + 1, rows.shape[1]), rows.dtype)
    np.add.at(means, labels[labels >= 0], rows[labels >= 0])
    return np.asarray(means / np.bincount(labels[labels >= 0])[:, None], rows.dtype)
