"""Tracklets against tracklets, on pictures of one colour that stand for their embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from reid_models import Encoder
from train.data import DataSet, Sample
from train.tracklets import POOLINGS, Pooling, evaluate_tracklets

PERSON_1 = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]  # beginning, middle and end
PERSON_2 = [(0, 0, 255), (0, 255, 0), (255, 0, 0)]  # the same the other way round


class ByColour:
    """Embeds a crop as its mean colour."""

    def embed(self, crops: list[Any]) -> Any:
        means = np.stack([crop.mean(axis=(0, 1)) for crop in crops]).astype(np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


ENCODER = cast(Encoder, ByColour())


@pytest.fixture
def walks(tmp_path: Path) -> DataSet:
    """Two people who differ in the order of their colours only, in two cameras; six frames each,
    of which the later have names that sort first."""

    def walk(identity: int, camera: int, tracklet: int | None) -> list[Sample]:
        samples = []
        for frame, colour in enumerate(np.repeat([PERSON_1, PERSON_2][identity - 1], 2, axis=0)):
            path = tmp_path / f"{identity}-{camera}-{9 - frame}.png"
            Image.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(path)
            samples.append(Sample(path, identity, camera, tracklet, float(frame)))
        return samples

    query = [*walk(1, 1, 1), *walk(2, 1, 2)]
    gallery = [*walk(2, 2, 3), *walk(1, 2, 4)]
    return DataSet("walks", [], query, gallery, [])


def test_partition_tells_what_the_plain_mean_does_not(walks: DataSet) -> None:
    plain, parted = evaluate_tracklets(ENCODER, walks, [POOLINGS["TP(E)"], POOLINGS["TPP(E)"]], 0)
    assert (plain.queries, parted.queries) == (2, 2)
    assert parted.mean_average_precision == 1
    assert plain.mean_average_precision < 1  # the means are the same; the first in line wins


def test_without_named_tracklets_a_person_in_a_camera_is_one(walks: DataSet) -> None:
    """One image of each person and camera asks; its fellows in the gallery belong to it."""
    unnamed = [s._replace(tracklet=None) for s in (*walks.query, *walks.gallery)]
    query = [sample for sample in unnamed if sample.time == 0]
    gallery = [sample for sample in unnamed if sample.time != 0]
    data = replace(walks, query=query, gallery=gallery)
    (parted,) = evaluate_tracklets(ENCODER, data, [POOLINGS["TPP(E)"]], 0)
    assert parted.queries == 4
    assert parted.mean_average_precision == 1


def test_distractors_without_tracklets_stand_alone(walks: DataSet, tmp_path: Path) -> None:
    """Put together, the three would look like the person asked for, and be ranked before."""
    odd = []
    for number, colour in enumerate(PERSON_1):
        path = tmp_path / f"0-2-{number}.png"
        Image.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(path)
        odd.append(Sample(path, 0, 2, None, float(number)))
    unnamed = [s._replace(tracklet=None) for s in (*walks.query, *walks.gallery)]
    data = replace(walks, query=[s for s in unnamed if s.camera == 1], gallery=[*odd, *unnamed])
    (parted,) = evaluate_tracklets(ENCODER, data, [POOLINGS["TPP(E)"]], 0)
    assert parted.mean_average_precision == 1


def test_random_frames_are_the_seeds(walks: DataSet) -> None:
    drawn = [Pooling(3, even=False)]
    first, again = (
        evaluate_tracklets(ENCODER, walks, drawn, 5)[0].mean_average_precision for _ in range(2)
    )
    assert first == again
