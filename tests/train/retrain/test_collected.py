"""Which crops are learnt from, and which are measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.data import Sample
from train.errors import TrainError
from train.retrain.collected import LEAST_PEOPLE, LEAST_TRACKLETS, Crop, part

CAMERAS = (1, 2)


def crops(
    people: int, visits: int, confirmed: int, cameras: tuple[int, ...] = CAMERAS
) -> list[Crop]:
    """Everybody comes ``visits`` times, to each camera, and leaves two crops there, the second of
    which is the better one."""
    found, number = [], 0
    for visit in range(visits):
        for person in range(1, people + 1):
            for camera in cameras:
                number += 1
                for crop in range(2):
                    sample = Sample(
                        Path(f"{number}_{crop}.jpg"),
                        person if person <= confirmed else 0,
                        camera,
                        number,
                        100.0 * visit + person + 0.4 * crop,
                    )
                    found.append(Crop(sample, 0.5 + 0.1 * crop))
    return found


def test_the_newest_tracklets_are_measured_on() -> None:
    found = part(crops(people=20, visits=4, confirmed=0), 0.25)
    assert (len(found.train), len(found.test)) == (3 * 80, 80)
    assert max(s.time or 0 for s in found.train) < min(s.time or 0 for s in found.test)
    assert not {s.tracklet for s in found.train} & {s.tracklet for s in found.test}
    assert (found.query, found.gallery) == ([], [])


def test_nothing_is_learnt_of_the_people_measured_on() -> None:
    found = part(crops(people=20, visits=4, confirmed=LEAST_PEOPLE), 0.25)
    people = set(range(1, LEAST_PEOPLE + 1))
    assert {s.identity for s in found.gallery} == {s.identity for s in found.query} == people
    assert {s.identity for s in found.train} == {0}
    assert len(found.train) == 3 * 4 * (20 - LEAST_PEOPLE)
    # of each person in each camera the better crop
    assert len(found.query) == 2 * LEAST_PEOPLE
    assert all(s.path.name.endswith("_1.jpg") for s in found.query)
    assert len(found.gallery) == 4 * LEAST_PEOPLE
    assert {s.path for s in found.gallery} <= {s.path for s in found.test}


def test_too_few_confirmed_people_are_none() -> None:
    found = part(crops(people=20, visits=4, confirmed=LEAST_PEOPLE - 1), 0.25)
    assert (found.query, found.gallery) == ([], [])
    assert len({s.identity for s in found.train}) == LEAST_PEOPLE  # one of them nobody knows


def test_people_of_one_camera_are_only_in_the_gallery() -> None:
    known = crops(people=20, visits=4, confirmed=7)
    known = [c for c in known if c.sample.identity != 7 or c.sample.camera == 1]
    found = part(known, 0.25)
    assert {s.identity for s in found.query} == set(range(1, 7))
    assert {s.identity for s in found.gallery} == set(range(1, 8))


@pytest.mark.parametrize(
    ("collected", "says"),
    [
        ([], "0 tracklets, of which 0 are the newest"),
        (crops(people=2, visits=4, confirmed=0), "16 tracklets, of which 4 are the newest share"),
        (crops(people=20, visits=4, confirmed=20), "0 tracklets are left to learn from once"),
        (crops(people=40, visits=4, confirmed=0, cameras=(3,)), "are of camera 3; re-ident"),
    ],
)
def test_too_little_to_go_by(collected: list[Crop], says: str) -> None:
    with pytest.raises(TrainError, match=says):
        part(collected, 0.25)
    assert LEAST_TRACKLETS == 16
