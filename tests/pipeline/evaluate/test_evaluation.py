"""False merges, fragmentation and time to identity, on hand-made and on random tracklets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.evaluate import Boxes, Evaluation, Truth, compare, evaluate, matching
from pipeline.records import TrackletKey

FPS = 10.0
START = 1_767_600_000.0
_tracks = count(1)


@dataclass(frozen=True)
class Tracklet:
    key: TrackletKey
    identity: int | None
    decided_at: float | None
    times: npt.NDArray[np.float64]
    frames: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.float32]


def tracklet(
    identity: int | None, frames: range, x: float, decided: float | None = None
) -> Tracklet:
    numbers = np.array(frames, np.int32)
    boxes = np.tile(np.array([x, 0, x + 30, 70], np.float32), (len(numbers), 1))
    if identity is not None and decided is None:
        decided = (frames[-1] - 1) / FPS
    at = None if decided is None else START + decided
    key = TrackletKey("a", "run", next(_tracks))
    return Tracklet(key, identity, at, START + (numbers - 1) / FPS, numbers, boxes)


def person(number: int, frames: range, x: float) -> list[tuple]:
    return [(frame, number, x, 0.0, x + 30.0, 70.0) for frame in frames]


def judge(truth: dict[str, list[tuple]], tracks: dict[str, Sequence[Tracklet]]) -> Evaluation:
    return evaluate({c: Truth(Boxes.of(rows)) for c, rows in truth.items()}, tracks)


def test_a_perfect_answer() -> None:
    truth = {"a": person(1, range(1, 31), 0), "b": person(1, range(101, 131), 50)}
    result = judge(
        truth, {"a": [tracklet(4, range(1, 31), 0)], "b": [tracklet(4, range(101, 131), 50)]}
    )
    assert result.overall.idf1 == 1.0
    assert (result.false_merges, result.fragmentation, result.undecided) == (0, 0, 0)
    assert (result.identities, result.overall.people) == (1, 1)
    assert result.person_of == {4: 1}
    assert list(result.person_of_tracklet.values()) == [1, 1]


def test_an_identity_of_two_people_is_a_false_merge() -> None:
    truth = {"a": person(1, range(1, 31), 0) + person(2, range(41, 71), 0)}
    result = judge(truth, {"a": [tracklet(4, range(1, 31), 0), tracklet(4, range(41, 71), 0)]})
    assert (result.false_merges, result.false_merge_rate) == (1, 1.0)
    assert result.fragmentation == 0


@pytest.mark.parametrize(("swapped", "merges"), [(4, 0), (5, 1)])
def test_a_few_boxes_of_somebody_else_are_no_merge(swapped: int, merges: int) -> None:
    truth = {"a": person(1, range(1, 21), 0) + person(2, range(21, 21 + swapped), 0)}
    result = judge(truth, {"a": [tracklet(4, range(1, 21 + swapped), 0)]})
    assert result.false_merges == merges


def test_less_than_a_tenth_of_an_identity_is_no_merge() -> None:
    truth = {"a": person(1, range(1, 101), 0) + person(2, range(101, 110), 0)}
    assert judge(truth, {"a": [tracklet(4, range(1, 110), 0)]}).false_merges == 0


def test_a_person_of_three_identities_is_two_too_many() -> None:
    truth = {"a": person(1, range(1, 91), 0), "b": person(1, range(201, 231), 0)}
    tracks = {
        "a": [
            tracklet(1, range(1, 31), 0),
            tracklet(2, range(31, 61), 0),
            tracklet(1, range(61, 91), 0),
        ],
        "b": [tracklet(3, range(201, 231), 0)],
    }
    result = judge(truth, tracks)
    assert (result.fragmentation, result.false_merges, result.identities) == (2, 0, 3)


def test_an_undecided_tracklet_is_an_identity_of_its_own_and_counted_apart() -> None:
    truth = {"a": person(1, range(1, 61), 0)}
    tracks = {"a": [tracklet(1, range(1, 31), 0), tracklet(None, range(31, 61), 0)]}
    result = judge(truth, tracks)
    assert (result.identities, result.undecided, result.fragmentation) == (1, 1, 1)
    assert result.overall.idf1 == 0.5


def test_time_to_identity_counts_from_the_first_visible_frame_of_each_visit() -> None:
    # Visible from 0.0 s, tracked from 1.0 s, decided at 2.5 s; back after 5 s, decided at once;
    # a third visit that nobody tracked; a second person whose tracklet is undecided.
    truth = {
        "a": person(1, range(1, 41), 0)
        + person(1, range(91, 121), 0)
        + person(1, range(181, 201), 0)
        + person(2, range(1, 31), 200)
    }
    tracks = {
        "a": [
            tracklet(1, range(11, 41), 0, decided=2.5),
            tracklet(1, range(91, 121), 0, decided=9.4),
            tracklet(None, range(1, 31), 200),
        ]
    }
    delay = judge(truth, tracks).time_to_identity
    assert (delay.visits, delay.undecided) == (4, 2)
    assert delay.median == pytest.approx((2.5 + 0.4) / 2)
    assert delay.p90 == pytest.approx(0.4 + 0.9 * 2.1)


def test_the_first_decision_of_a_visit_counts() -> None:
    truth = {"a": person(1, range(1, 61), 0)}
    tracks = {
        "a": [
            tracklet(1, range(31, 61), 0, decided=5.0),
            tracklet(1, range(1, 31), 0, decided=2.0),
        ]
    }
    assert judge(truth, tracks).time_to_identity.median == pytest.approx(2.0)


def test_a_tracklet_that_is_mostly_somebody_else_does_not_decide_a_visit() -> None:
    truth = {"a": person(1, range(1, 31), 0) + person(2, range(31, 36), 0)}
    delay = judge(truth, {"a": [tracklet(1, range(1, 36), 0, decided=1.0)]}).time_to_identity
    assert (delay.visits, delay.undecided) == (2, 1)


def test_a_camera_that_saw_nobody() -> None:
    truth = {"a": person(1, range(1, 31), 0), "b": []}
    for found in ([], [tracklet(2, range(1, 11), 0)]):
        result = judge(truth, {"a": [tracklet(1, range(1, 31), 0)], "b": found})
        assert result.per_camera["a"].idf1 == 1.0
        assert result.per_camera["b"].idf1 == 0.0
        assert result.overall.idf1 == pytest.approx(60 / (60 + 10 * len(found)))


def test_nothing_tracked() -> None:
    result = judge({"a": person(1, range(1, 31), 0)}, {})
    assert (result.identities, result.false_merge_rate) == (0, 0.0)
    assert result.time_to_identity.undecided == 1
    assert np.isnan(result.time_to_identity.median)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_a_naive_count(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody stands in a slot of their own, so who is matched with whom is known."""
    monkeypatch.setattr(matching, "_CHUNK", 50)  # many pieces
    rng = np.random.default_rng(seed)
    truth: dict[str, list[tuple]] = defaultdict(list)
    tracks: dict[str, list[Tracklet]] = defaultdict(list)
    boxes: dict[tuple[int, int], int] = defaultdict(int)  # (person, identity): boxes
    for camera in ("a", "b", "c"):
        for number in range(6):
            frame = int(rng.integers(1, 20))
            while frame < 300:
                length = int(rng.integers(2, 40))
                truth[camera] += person(number, range(frame, frame + length), 100.0 * number)
                identity = int(rng.integers(1, 12))
                tracks[camera].append(
                    tracklet(identity, range(frame, frame + length), 100.0 * number + 2)
                )
                boxes[number, identity] += length
                frame += length + int(rng.integers(0, 60))
    result = judge(truth, tracks)
    size = defaultdict(int)
    for (_, identity), number in boxes.items():
        size[identity] += number
    held = [(p, i) for (p, i), n in boxes.items() if n >= 5 and n >= 0.1 * size[i]]
    owners = [sum(i == identity for _, i in held) for identity in size]
    owned = [sum(p == number for p, _ in held) for number in range(6)]
    assert result.false_merges == sum(n >= 2 for n in owners)
    assert result.fragmentation == sum(max(n - 1, 0) for n in owned)
    assert result.identities == len(size)


def test_the_summary_has_what_scripts_rely_on() -> None:
    summary = judge(
        {"a": person(1, range(1, 31), 0)}, {"a": [tracklet(1, range(1, 31), 0)]}
    ).summary()
    names = "idf1 idp idr hota deta assa false_merges false_merge_rate fragmentation identities"
    assert {*names.split(), "people", "time_to_identity", "per_camera"} <= summary.keys()
    assert {"median", "p90"} <= summary["time_to_identity"].keys()
    assert summary["per_camera"]["a"]["idf1"] == 1.0


def test_frame_numbers_of_cameras_do_not_meet() -> None:
    rows = person(1, range(1, 11), 0)
    comparison = compare(
        {c: Truth(Boxes.of(rows)) for c in "ab"}, {c: Boxes.of(rows) for c in "ab"}
    )
    assert len(comparison.pairs) == 20
