"""IDF1 and HOTA against independent implementations (trackers.eval after TrackEval, motmetrics)."""

from __future__ import annotations

import motmetrics
import numpy as np
import pytest
from trackers.eval.hota import compute_hota_metrics
from trackers.eval.identity import compute_identity_metrics

from pipeline.evaluate import Boxes, Truth, compare, score
from pipeline.evaluate.truth import Floats


def naive_iou(a: Floats, b: Floats) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def per_frame(truth: dict[str, Boxes], predicted: dict[str, Boxes]) -> tuple[list, list, list]:
    """Ids and similarities frame by frame, one camera after the other, by plain loops."""
    ids, found, similarities = [], [], []
    for camera, boxes in truth.items():
        other = predicted[camera]
        for frame in sorted({*boxes.frames.tolist(), *other.frames.tolist()}):
            a, b = boxes.keep(boxes.frames == frame), other.keep(other.frames == frame)
            ids.append(a.ids)
            found.append(b.ids)
            similarities.append(
                np.array([[naive_iou(x, y) for y in b.boxes] for x in a.boxes]).reshape(
                    len(a), len(b)
                )
            )
    return ids, found, similarities


def crowd(seed: int, frames: int = 60, people: int = 7) -> tuple[Boxes, Boxes]:
    """People who walk through one another, and a noisy tracker that misses, invents, switches."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 120, (people, 2))
    speed = rng.normal(0, 2, (people, 2))
    label = {person: int(rng.integers(0, people)) for person in range(people)}
    truth, predicted = [], []
    for frame in range(1, frames + 1):
        used = set()
        for person in range(people):
            x, y = corner[person] + speed[person] * frame
            if rng.random() < 0.85:
                truth.append((frame, person, x, y, x + 30, y + 70))
            if rng.random() < 0.03:
                label[person] = int(rng.integers(0, people + 3))
            if rng.random() < 0.8 and label[person] not in used:
                used.add(label[person])
                box = np.array([x, y, x + 30, y + 70]) + rng.normal(0, 4, 4)
                predicted.append((frame, label[person], *box))
        if rng.random() < 0.2:
            predicted.append((frame, 100 + frame % 3, 5.0, 5.0, 35.0, 75.0))
    shuffled = rng.permutation(len(predicted))
    return Boxes.of(truth), Boxes.of([predicted[i] for i in shuffled])


def site(seed: int, cameras: int) -> tuple[dict[str, Boxes], dict[str, Boxes]]:
    scenes = {f"camera{n}": crowd(seed * 10 + n) for n in range(cameras)}
    return {n: s[0] for n, s in scenes.items()}, {n: s[1] for n, s in scenes.items()}


@pytest.mark.parametrize("cameras", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_trackeval(seed: int, cameras: int) -> None:
    truth, predicted = site(seed, cameras)
    ours = score(compare({c: Truth(b) for c, b in truth.items()}, predicted))
    ids, found, similarities = per_frame(truth, predicted)
    identity = compute_identity_metrics(ids, found, similarities)
    hota = compute_hota_metrics(ids, found, similarities)
    assert ours.idf1 == pytest.approx(identity["IDF1"], abs=1e-12)
    assert ours.idp == pytest.approx(identity["IDP"], abs=1e-12)
    assert ours.idr == pytest.approx(identity["IDR"], abs=1e-12)
    assert ours.hota == pytest.approx(hota["HOTA"], abs=1e-9)
    assert ours.deta == pytest.approx(hota["DetA"], abs=1e-9)
    assert ours.assa == pytest.approx(hota["AssA"], abs=1e-9)
    assert 0.1 < ours.idf1 < 0.95  # the scene is neither trivial nor hopeless


@pytest.mark.parametrize("seed", range(3))
def test_idf1_agrees_with_motmetrics_over_concatenated_cameras(seed: int) -> None:
    truth, predicted = site(seed, 3)
    ours = score(compare({c: Truth(b) for c, b in truth.items()}, predicted))
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for ids, found, similarity in zip(*per_frame(truth, predicted), strict=True):
        accumulator.update(ids, found, np.where(similarity >= 0.5, 1 - similarity, np.nan))
    theirs = motmetrics.metrics.create().compute(accumulator, metrics=["idf1", "idp", "idr"])
    assert ours.idf1 == pytest.approx(theirs["idf1"].item(), abs=1e-12)
    assert ours.idp == pytest.approx(theirs["idp"].item(), abs=1e-12)
    assert ours.idr == pytest.approx(theirs["idr"].item(), abs=1e-12)


def test_each_camera_alone_is_scored_as_if_there_were_no_other() -> None:
    truth, predicted = site(3, 3)
    together = compare({c: Truth(b) for c, b in truth.items()}, predicted)
    for camera in truth:
        alone = compare({camera: Truth(truth[camera])}, {camera: predicted[camera]})
        assert score(together.only(camera)) == score(alone)


def walk(identity: int, frames: range, x: float = 0.0) -> list[tuple]:
    return [(f, identity, x, 0.0, x + 30.0, 70.0) for f in frames]


def test_an_identity_of_its_own_in_each_camera_is_half_right() -> None:
    truth = {c: Truth(Boxes.of(walk(1, range(1, 11)))) for c in ("a", "b")}
    shared = {c: Boxes.of(walk(7, range(1, 11))) for c in ("a", "b")}
    own = {"a": Boxes.of(walk(7, range(1, 11))), "b": Boxes.of(walk(8, range(1, 11)))}
    assert score(compare(truth, shared)).idf1 == 1.0
    assert score(compare(truth, shared)).hota == pytest.approx(1.0)
    half = score(compare(truth, own))
    assert (half.idf1, half.idp, half.idr) == (0.5, 0.5, 0.5)
    assert half.deta == pytest.approx(1.0)
    assert half.assa == pytest.approx(0.5)


def test_two_boxes_of_one_identity_on_one_person_are_right_once() -> None:
    truth = {"a": Truth(Boxes.of(walk(1, range(1, 11))))}
    twice = {"a": Boxes.of(walk(7, range(1, 11)) + walk(7, range(1, 11), 1.0))}
    scores = score(compare(truth, twice))
    assert scores.idr == 1.0
    assert scores.idp == 0.5


def test_detections_on_ignored_regions_do_not_count() -> None:
    people = Boxes.of(walk(1, range(1, 11)))
    ignored = Boxes.of(walk(2, range(1, 11), 200.0))
    found = {"a": Boxes.of(walk(5, range(1, 11)) + walk(6, range(1, 11), 201.0))}
    assert score(compare({"a": Truth(people)}, found)).idp == 0.5
    assert score(compare({"a": Truth(people, ignored)}, found)).idp == 1.0
    # One missed person beside an ignored one is still missed.
    only_ignored = {"a": Boxes.of(walk(6, range(1, 11), 201.0))}
    assert score(compare({"a": Truth(people, ignored)}, only_ignored)).idr == 0.0


def test_an_ignored_region_does_not_swallow_the_detection_of_a_person_in_it() -> None:
    people = Boxes.of(walk(1, range(1, 11)))
    ignored = Boxes.of(walk(2, range(1, 11), 8.0))  # overlaps the person with an IoU of 0.58
    found = {"a": Boxes.of(walk(5, range(1, 11), 1.0))}
    assert score(compare({"a": Truth(people, ignored)}, found)).idf1 == 1.0


def test_nothing_predicted_scores_zero() -> None:
    scores = score(compare({"a": Truth(Boxes.of(walk(1, range(1, 5))))}, {}))
    assert (scores.idf1, scores.hota, scores.identities) == (0.0, 0.0, 0)


def test_an_hour_of_a_crowd_takes_seconds() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(1, 9001), 12)
    ids = np.tile(np.arange(12), 9000)
    corner = rng.uniform(0, 400, (len(ids), 2))
    boxes = Boxes(frames, ids, np.hstack([corner, corner + np.array([30, 70])]))
    assert score(compare({"a": Truth(boxes)}, {"a": boxes})).idf1 == 1.0
