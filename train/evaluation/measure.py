"""An encoder on the test part of a data set, by one of several protocols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reid_models.ranking import rerank
from train.data import DataSet, Sample
from train.errors import TrainError
from train.evaluation.blocks import Block, Metric, distance_blocks, matrix_blocks
from train.evaluation.features import Features, FloatArray, Pooled, multi_query, pool_tracklets
from train.evaluation.ranking import AveragePrecision, Ranking, evaluate, evaluate_distances


@dataclass(frozen=True)
class How:
    """How a search is made and measured.

    Attributes:
        metric: ``cosine`` or ``euclidean``.
        average_precision: ``trapezoid``, as Market-1501's own, or ``rectangle``.
        other_cameras: search only what other cameras saw.
        multi_query: one query a person and camera, of all its images.
        tracklets: search for tracklets among tracklets, by their mean embeddings.
        rerank: by k-reciprocal neighbours, as published; by cosine only.
    """

    metric: Metric = "cosine"
    average_precision: AveragePrecision = "trapezoid"
    other_cameras: bool = False
    multi_query: bool = False
    tracklets: bool = False
    rerank: bool = False

    def __post_init__(self) -> None:
        if self.rerank and self.metric != "cosine":
            raise TrainError("re-ranking normalises the embeddings: measure it by cosine")

    @property
    def protocol(self) -> str:
        """In words."""
        changes = {
            "gallery of other cameras": self.other_cameras,
            "multi-query": self.multi_query,
            "tracklet to tracklet": self.tracklets,
            "re-ranked": self.rerank,
        }
        named = [name for name, chosen in changes.items() if chosen]
        precision = f"average precision by {self.average_precision}"
        return ", ".join(["Market-1501", self.metric, precision, *named])


@dataclass(frozen=True)
class Search:
    """Queries and the gallery in which they are searched.

    Attributes:
        query: what is searched for; ``queries`` are images of it, of pooled ones the first.
        gallery: where; ``shown`` are images of it.
        how: see `How`.
        distances: (Q, G), where they are other than those of the embeddings.
        device: of torch, or None for numpy.
    """

    query: Features
    queries: Sequence[Sample]
    gallery: Features
    shown: Sequence[Sample]
    how: How
    distances: FloatArray | None
    device: str | None

    @property
    def squared(self) -> bool:
        """Whether the distances of `blocks` are squares."""
        return self.distances is None and self.how.metric == "euclidean"

    def ranking(self) -> Ranking:
        how = self.how
        options = (how.average_precision, 50, how.other_cameras)
        if self.distances is not None:
            return evaluate_distances(self.distances, self.query, self.gallery, *options)
        return evaluate(self.query, self.gallery, how.metric, *options, self.device)

    def blocks(self) -> Iterator[Block]:
        """All distances, some queries at a time."""
        if self.distances is not None:
            return matrix_blocks(self.distances)
        return distance_blocks(self.query.embeddings, self.gallery.embeddings, self.how.metric)

    def row(self, query: int) -> FloatArray:
        """The distances (G,) of one query, in the units of `Block`."""
        if self.distances is not None:
            return np.asarray(self.distances[query])
        one = self.query.embeddings[query : query + 1]
        block = next(distance_blocks(one, self.gallery.embeddings, self.how.metric))
        return np.asarray(block.shift + block.scale * block.keys[0])


def make_search(
    query: Features, gallery: Features, data: DataSet, how: How, device: str | None = None
) -> Search:
    """From the features of a data set's queries and gallery.

    Raises:
        TrainError: ``how`` asks for tracklets that the data do not name.
    """
    asked, shown = data.query, data.gallery
    if how.tracklets:
        query, asked = _shown(pool_tracklets(query, [s.tracklet for s in asked]), asked)
        gallery, shown = _shown(pool_tracklets(gallery, [s.tracklet for s in shown]), shown)
    if how.multi_query:
        query, asked = _shown(multi_query(query, gallery), asked)
    distances = rerank(query.embeddings, gallery.embeddings) if how.rerank else None
    return Search(query, asked, gallery, shown, how, distances, device)


def _shown(pooled: Pooled, samples: Sequence[Sample]) -> tuple[Features, list[Sample]]:
    return pooled.features, [samples[place] for place in pooled.first]
