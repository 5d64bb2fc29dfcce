"""Table 3.5 of the thesis: how the images of a tracklet become one representation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_models import Encoder
from reid_models.temporal import sample_frames, temporal_partition_pooling
from train.data import DataSet, Sample
from train.evaluation import Features, Ranking, embed_data, evaluate
from train.evaluation.features import join

_Key = tuple[int, int, int | None]


@dataclass(frozen=True)
class Pooling:
    """Attributes: groups in time (1: one average); even: else frames are drawn at random."""

    groups: int
    even: bool


POOLINGS = {
    "TP(R)": Pooling(1, even=False),
    "TPP(R)": Pooling(3, even=False),
    "TP(E)": Pooling(1, even=True),
    "TPP(E)": Pooling(3, even=True),
}


def evaluate_tracklets(
    encoder: Encoder, data: DataSet, poolings: Sequence[Pooling], seed: int
) -> list[Ranking]:
    """Search for tracklets among tracklets, once for each pooling; each image is embedded once.

    Where the data do not name tracklets, all images of one person in one camera are one; those of
    a query are then the query's and the gallery's, which are junk for it.
    """
    named = _has_tracklets(data)
    query, gallery = embed_data(encoder, data.query), embed_data(encoder, data.gallery)
    if named:
        asked, searched = _groups(data.query), _groups(data.gallery)
    else:
        query = gallery = join(query, gallery)
        searched = _groups([*data.query, *data.gallery])
        wanted = {(sample.identity, sample.camera) for sample in data.query}
        asked = {key: places for key, places in searched.items() if key[:2] in wanted}
    return [
        evaluate(_pooled(query, asked, pooling, seed), _pooled(gallery, searched, pooling, seed))
        for pooling in poolings
    ]


def _has_tracklets(data: DataSet) -> bool:
    return all(sample.tracklet is not None for sample in (*data.query, *data.gallery))


def _groups(samples: Sequence[Sample]) -> dict[_Key, list[int]]:
    """The places of each tracklet's images, in the order of time or of their names."""
    groups: dict[_Key, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        # Junk and distractors of one camera are no one person: each image stands alone.
        number = place if sample.tracklet is None and sample.identity < 1 else sample.tracklet
        groups[sample.identity, sample.camera, number].append(place)
    for places in groups.values():
        places.sort(key=lambda place: (samples[place].time or 0.0, samples[place].path.name))
    return groups


def _pooled(
    images: Features, groups: dict[_Key, list[int]], pooling: Pooling, seed: int
) -> Features:
    rng = None if pooling.even else np.random.default_rng(seed)
    rows = [
        temporal_partition_pooling(
            images.embeddings[np.array(places)[sample_frames(len(places), rng=rng)]],
            pooling.groups,
        )
        for places in groups.values()
    ]
    keys = np.array([key[:2] for key in groups], np.int64)
    return Features(np.stack(rows).astype(np.float32), keys[:, 0], keys[:, 1])
