"""Round trips against a naive loop, and on encoders that know all and nothing."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.train.retrain.filled import write_encoder
from train.data import Sample
from train.errors import TrainError
from train.retrain.consistency import compare_consistency, round_trips

PEOPLE, CAMERAS, CROPS = 6, 3, 4


def samples() -> list[Sample]:
    """In each camera two people at a time, one pair after the other."""
    found = []
    for camera, person in product(range(1, CAMERAS + 1), range(PEOPLE)):
        for crop in range(CROPS):
            time = 100.0 * (person // 2) + 10 * camera + crop + 0.3 * (person % 2)
            path = Path(f"{camera}_{person}_{crop}.jpg")
            found.append(Sample(path, 0, camera, PEOPLE * camera + person, time))
    return found


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def naive(rows: np.ndarray) -> tuple[list[float], list[float]]:
    rows = unit(rows)
    halves = {}
    for place, sample in enumerate(samples()):
        halves.setdefault((sample.camera, (sample.tracklet or 0) % PEOPLE), []).append(rows[place])
    means = {
        key: (unit(np.mean(own[:2], 0)), unit(np.mean(own[2:], 0)), unit(np.mean(own, 0)))
        for key, own in halves.items()
    }
    back, direct = [], []
    for (camera, person), (first, second, _) in sorted(means.items()):
        _, theirs, _ = means[camera, person ^ 1]
        shares = []
        for other in range(1, CAMERAS + 1):
            if other == camera:
                continue
            there = max((means[other, p][2] for p in range(PEOPLE)), key=lambda row: row @ first)
            stations = [
                own[2]
                for place, own in means.items()
                if place[0] != other and place not in ((camera, person), (camera, person ^ 1))
            ]
            seen = max(stations, key=lambda row: row @ there)
            shares.append(float(theirs @ seen < second @ seen))
        back.append(sum(shares) / len(shares))
        direct.append(float(theirs @ first < second @ first))
    return back, direct


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_naive_loop(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((PEOPLE * CAMERAS * CROPS, 5))
    found = round_trips(rows, samples())
    back, direct = naive(rows)
    assert found.trip.tolist() == pytest.approx(back)
    assert found.direct.tolist() == pytest.approx(direct)


def test_who_knows_all_comes_home_and_who_knows_nothing_does_by_halves() -> None:
    people = [(sample.tracklet or 0) % PEOPLE for sample in samples()]
    known = round_trips(np.eye(PEOPLE, dtype=np.float32)[people], samples())
    assert len(known.trip) == PEOPLE * CAMERAS
    assert (known.trip == 1).all()
    assert (known.direct == 1).all()
    blind = round_trips(np.ones((len(people), 3), np.float32), samples())
    assert (blind.trip == 0.5).all()
    # who carries a person's looks within a camera but not to another one
    noise = np.random.default_rng(0).standard_normal((PEOPLE, CAMERAS, 40))
    cameras = [sample.camera - 1 for sample in samples()]
    bound = round_trips(noise[people, cameras].astype(np.float32), samples())
    assert (bound.direct == 1).all()
    assert bound.trip.mean() < 0.8


def test_alone_or_with_one_crop_nothing_is_measured() -> None:
    alone = [s._replace(time=1000.0 * n + (s.time or 0)) for n, s in enumerate(samples())]
    assert len(round_trips(np.ones((len(alone), 2), np.float32), alone[:0] or alone).trip) == 0
    once = [s for s in samples() if s.path.name.endswith("_0.jpg")]
    together = [s._replace(time=1.0) for s in once]
    assert len(round_trips(np.ones((len(once), 2), np.float32), together).trip) == 0


def test_the_comparison(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    crops = []
    for sample in samples():
        path = tmp_path / sample.path
        Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
        crops.append(sample._replace(path=path))
    old, new = (write_encoder(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    same = compare_consistency(old, old, crops, "site yard", "cpu")
    assert (same.gain.low, same.gain.high) == (0, 0)
    assert not same.better
    assert not same.worse
    found = json.loads(compare_consistency(old, new, crops, "site yard", "cpu").as_json())
    assert (found["format"], found["measure"], found["data"]) == (1, "consistency", "site yard")
    assert found["old"]["fingerprint"] != found["new"]["fingerprint"]
    assert found["gain"]["value"] == pytest.approx(
        found["new"]["trip"]["value"] - found["old"]["trip"]["value"], abs=2e-4
    )
    few = [crop for crop in crops if (crop.tracklet or 0) % PEOPLE < 2]
    with pytest.raises(TrainError, match="only 6 of the tracklets to measure on have two crops"):
        compare_consistency(old, new, few, "site yard", "cpu")
