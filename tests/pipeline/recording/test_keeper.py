"""What is kept around tracklets, and how much of it, for how long."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import Recording, Site, load_site
from pipeline.errors import CamtrailError
from pipeline.recording.keeper import NOTHING, Keeper, Known, judge, read_known, retire
from pipeline.records import Assignment, CameraState, Decision, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, RunState, Said, Store, Verdict
from pipeline.store.recordings import Recordings, Segment

BEGIN = 1_767_600_000.0
DAY = 86_400.0
RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"
OPTIONS = Recording(before=3, after=4, days=7, max_gigabytes=1)


def record(recordings: Recordings, start: float, end: float, size: int = 10) -> None:
    partial = recordings.begin(BEGIN + start)
    partial.write_bytes(b"x" * size)
    recordings.finish(partial, BEGIN + start, BEGIN + end)


def keep_all(recordings: Recordings) -> None:
    for segment in recordings.undecided():
        recordings.keep(segment)


def starts(segments: list[Segment]) -> list[float]:
    return [segment.start - BEGIN for segment in segments]


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    """A minute that nothing is known of, in pieces of two seconds."""
    recordings = Recordings(tmp_path / "data" / "recordings", "gate")
    for start in range(0, 60, 2):
        record(recordings, start, start + 2)
    return recordings


def judged(recordings: Recordings, known: Known, now: float) -> None:
    before = len(recordings.undecided()), len(recordings.kept())
    kept, deleted = judge(recordings, recordings.undecided(), known, OPTIONS, BEGIN + now)
    after = len(recordings.undecided()), len(recordings.kept())
    assert (kept + deleted, kept) == (before[0] - after[0], after[1] - before[1])


def test_what_is_around_a_stay_is_kept_at_once(recordings: Recordings) -> None:
    judged(recordings, Known([(BEGIN + 20, BEGIN + 25)], -math.inf), 60)
    assert starts(recordings.kept()) == [16, 18, 20, 22, 24, 26, 28]
    assert len(recordings.undecided()) == 23  # not one is deleted: who came may not be known yet


def test_what_no_stay_can_reach_any_more_is_deleted(recordings: Recordings) -> None:
    judged(recordings, Known([(BEGIN + 20, BEGIN + 25)], BEGIN + 38), 60)
    # A tracklet that the camera has not told of begins at 38 - 5 at least: its clip 3 s before.
    assert starts(recordings.undecided()) == list(range(30, 60, 2))
    assert len(recordings.kept()) == 7


def test_the_store_is_not_waited_for_for_ever(recordings: Recordings) -> None:
    judged(recordings, NOTHING, 610)
    assert starts(recordings.undecided()) == list(range(10, 60, 2))
    judged(recordings, NOTHING, 700)
    assert recordings.undecided() == recordings.kept() == []


def test_what_is_too_old_goes(recordings: Recordings) -> None:
    keep_all(recordings)
    assert retire(recordings, OPTIONS, BEGIN + 7 * DAY + 21, 0) == 10
    assert starts(recordings.kept()) == list(range(20, 60, 2))


def test_of_what_is_too_much_the_oldest_goes(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, "gate")
    for start in range(0, 20, 2):
        record(recordings, start, start + 2, 1000)
    keep_all(recordings)
    options = OPTIONS.model_copy(update={"max_gigabytes": 4500 / 1e9})
    assert retire(recordings, options, BEGIN + 60, 0) == 6
    assert starts(recordings.kept()) == [12, 14, 16, 18]


def test_a_disk_that_is_nearly_full_is_left_to_the_others(recordings: Recordings) -> None:
    keep_all(recordings)
    free = shutil.disk_usage(recordings.kept()[0].file.parent).free
    assert retire(recordings, OPTIONS, BEGIN + 60, free // 2) == 0
    assert len(recordings.kept()) == 30
    assert retire(recordings, OPTIONS, BEGIN + 60, 2 * free) == 30
    assert recordings.kept() == []


def test_nothing_recorded_is_nothing_to_look_after(tmp_path: Path) -> None:
    retire(Recordings(tmp_path / "none", "gate"), OPTIONS, BEGIN, 0)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(
        "site: yard\nrecording: {enabled: true, before: 3, after: 4}\n"
        "cameras: {gate: {source: 'rtsp://gate.example/1'}, lobby: {source: '0'}}\n"
    )
    return load_site(path)


def stay(camera: str, track: int, start: float, end: float) -> TrackletUpdate:
    start, end = BEGIN + start, BEGIN + end
    path = TrackPath.of([(start, 1, (0, 0, 9, 9))])
    return TrackletUpdate(
        camera, RUN, track, 1, start, end, path, 0, 0.0, None, "f", None, 0.0, True
    )


def store(site: Site, updates: list[TrackletUpdate], covered: float) -> None:
    run = RunState(
        "gate", RUN, number=1, messages=1, updates=1, time=BEGIN + covered,
        state=CameraState.RUNNING, frames=1, frame=1,
    )  # fmt: skip
    with Store.open(site.store_url) as opened:
        received = [Received(update, update.end) for update in updates]
        opened.commit(Batch(received, [run, replace(run, camera="lobby")], Outcome(), "f"))


def test_the_store_says_who_was_there_when(site: Site) -> None:
    store(
        site,
        [
            stay("gate", 1, 10, 20),
            stay("gate", 2, 90, 95),
            stay("lobby", 1, 30, 40),
            stay("gate", 3, -40_000, 30),
        ],
        covered=50,
    )
    known = read_known(site.store_url, "gate", BEGIN + 15, BEGIN + 60)
    assert sorted((a - BEGIN, b - BEGIN) for a, b in known.stays) == [(-40_000, 30), (10, 20)]
    assert known.covered - BEGIN == 50
    assert read_known(site.store_url, "yard", BEGIN, BEGIN + 60) == NOTHING


def test_without_a_store_nothing_is_known(site: Site) -> None:
    with pytest.raises(CamtrailError, match="no store yet"):
        read_known(site.store_url, "gate", BEGIN, BEGIN + 60)


def test_a_keeper_goes_by_the_store_and_by_what_is_too_old(
    site: Site, recordings: Recordings
) -> None:
    keeper = Keeper(site, "gate")
    keeper.look(BEGIN + 60)
    assert len(recordings.undecided()) == 30  # there is no store yet
    store(site, [stay("gate", 1, 20, 25)], covered=50)
    keeper.look(BEGIN + 65)
    assert starts(recordings.kept()) == [16, 18, 20, 22, 24, 26, 28]
    assert starts(recordings.undecided()) == list(range(42, 60, 2))
    keeper.look(BEGIN + 8 * DAY)
    assert recordings.kept() == recordings.undecided() == []


def test_a_store_that_cannot_be_read_is_no_end(site: Site, recordings: Recordings) -> None:
    site.data_dir.mkdir(exist_ok=True)
    (site.data_dir / "camtrail.sqlite").write_text("no database at all")
    Keeper(site, "gate").look(BEGIN + 60)
    assert len(recordings.undecided()) == 30


def test_who_is_forgotten_leaves_no_clip(site: Site, recordings: Recordings) -> None:
    one, other = stay("gate", 1, 24, 25), stay("gate", 2, 5, 58)
    store(site, [one, other], covered=70)
    Keeper(site, "gate").look(BEGIN + 70)
    assert starts(recordings.kept()) == list(range(2, 60, 2))
    with Store.open(site.store_url) as opened:
        who = [Assignment(u.key, u.track, Decision.NEW, 0, 0, u.end) for u in (one, other)]
        verdicts = [Verdict(a.key, a.time, a, None, {}) for a in who]
        opened.commit(Batch([], [], Outcome(verdicts=verdicts), "f"))
        opened.forget(1, Said("ada", BEGIN, BEGIN))
    # The other one was there all the time, and is not in view alone.
    assert starts(recordings.kept()) == [*range(2, 14, 2), *range(36, 60, 2)]
