"""Which files of recordings are found, and which go when somebody is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.store.recordings import Recordings, Segment

BEGIN = 1_767_599_990.0  # 2026-01-05T07:59:50Z: an hour begins ten seconds later


def record(recordings: Recordings, start: float, end: float, keep: bool = True) -> None:
    partial = recordings.begin(start)
    partial.write_bytes(b"film")
    assert recordings.finish(partial, start, end)
    if keep:
        recordings.keep(recordings.undecided()[-1])


def spans(segments: list[Segment]) -> list[tuple[float, float]]:
    return [(s.start - BEGIN, s.end - BEGIN) for s in segments]


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    """A minute in pieces of two seconds, over the change of an hour; the last one is undecided."""
    recordings = Recordings(tmp_path, "gate")
    for start in range(0, 60, 2):
        record(recordings, BEGIN + start, BEGIN + start + 2, keep=start < 58)
    return recordings


def test_what_touches_an_interval_is_found_in_order_over_hours_and_ring(
    recordings: Recordings, tmp_path: Path
) -> None:
    assert sorted(p.name for p in (tmp_path / "gate").iterdir()) == [
        "2026-01-05T07",
        "2026-01-05T08",
        "ring",
    ]
    found = recordings.during(BEGIN + 7, BEGIN + 12)
    assert spans(found) == [(6, 8), (8, 10), (10, 12)]
    assert spans(recordings.during(BEGIN + 57, BEGIN + 900)) == [(56, 58), (58, 60)]
    assert spans(recordings.during(BEGIN - 100, BEGIN)) == []
    assert spans(recordings.undecided()) == [(58, 60)]
    assert len(recordings.kept()) == 29


def test_one_that_began_long_before_is_found(recordings: Recordings) -> None:
    record(recordings, BEGIN - 1800, BEGIN + 1)
    assert spans(recordings.during(BEGIN, BEGIN + 1)) == [(-1800, 1), (0, 2)]


def test_another_camera_has_its_own(recordings: Recordings, tmp_path: Path) -> None:
    assert Recordings(tmp_path, "lobby").during(0, 2e9) == []
    assert Recordings(tmp_path, "lobby").undecided() == []
    assert Recordings(tmp_path, "lobby").kept() == []


def test_what_is_no_segment_is_left_alone(recordings: Recordings, tmp_path: Path) -> None:
    for name in ("notes.txt", "1-2.mp4.bak", "a-b.mp4"):
        (tmp_path / "gate" / "2026-01-05T08" / name).touch()
    assert len(recordings.kept()) == 29


def test_forgetting_takes_the_visit_and_all_that_is_played_around_it(
    recordings: Recordings,
) -> None:
    recordings.forget(BEGIN + 20.5, BEGIN + 30)
    assert spans(recordings.during(BEGIN, BEGIN + 60)) == [
        *((start, start + 2) for start in range(0, 10, 2)),
        *((start, start + 2) for start in range(40, 60, 2)),
    ]


def test_forgetting_reaches_what_is_undecided_and_what_is_being_written(
    recordings: Recordings,
) -> None:
    partial = recordings.begin(BEGIN + 60)
    partial.write_bytes(b"half a film")
    recordings.forget(BEGIN + 55, BEGIN + 58)
    assert recordings.undecided() == []
    assert not partial.exists()
    assert not recordings.finish(partial, BEGIN + 60, BEGIN + 62)
    recordings.forget(BEGIN + 1000, BEGIN + 1001)
    assert len(recordings.kept()) == 22


def test_forgetting_leaves_what_is_written_later(recordings: Recordings) -> None:
    partial = recordings.begin(BEGIN + 60)
    partial.write_bytes(b"half a film")
    recordings.forget(BEGIN, BEGIN + 10)
    assert partial.exists()


def test_an_hours_folder_goes_with_its_last_segment(recordings: Recordings, tmp_path: Path) -> None:
    for segment in recordings.during(BEGIN, BEGIN + 10):
        recordings.delete(segment)
    assert not (tmp_path / "gate" / "2026-01-05T07").exists()
    assert spans(recordings.kept())[0] == (10, 12)


def test_a_segment_that_is_gone_is_neither_kept_nor_deleted_with_an_error(
    recordings: Recordings,
) -> None:
    last = recordings.undecided()[0]
    last.file.unlink()
    recordings.keep(last)
    recordings.delete(last)
    assert len(recordings.kept()) == 29


def test_what_a_killed_recorder_left_is_cleared(recordings: Recordings) -> None:
    partial = recordings.begin(BEGIN + 60)
    partial.write_bytes(b"half a film")
    recordings.clear_partials()
    assert not partial.exists()
    assert len(recordings.undecided()) == 1
