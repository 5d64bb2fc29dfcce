"""Segments hold the packets of the stream as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.recording.segments import SegmentWriter
from pipeline.store.recordings import Recordings, Segment
from tests.full_disk import no_file_beyond
from tests.pipeline.camera.videos import number_in, numbered

BEGIN = 1_767_600_000.0
GOP = 12  # pictures of `numbered`, at 10 a second


def packets(film: Path) -> Iterator[tuple[Any, Any]]:
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.dts is not None:
                yield stream, packet


def write(
    film: Path, folder: Path, moment: Callable[[float], float] = lambda stamp: BEGIN + stamp
) -> list[Segment]:
    recordings = Recordings(folder, "gate")
    writer: SegmentWriter | None = None
    for stream, packet in packets(film):
        writer = writer or SegmentWriter(recordings, stream)
        writer.write(packet, moment(float(packet.pts * packet.time_base)))
    assert writer is not None
    writer.close()
    return recordings.undecided()


def numbers(file: Path) -> list[tuple[float, int]]:
    """Time and number of each picture."""
    with av.open(str(file)) as container:
        return [
            (float(frame.time), number_in(np.asarray(frame.to_ndarray(format="bgr24"))))
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize("b_frames", [0, 2])
def test_segments_hold_every_packet_unchanged(tmp_path: Path, b_frames: int) -> None:
    film = numbered(tmp_path / "film.mp4", 100, b_frames=b_frames)
    segments = write(film, tmp_path / "out")
    assert len(segments) == 5
    before = [bytes(packet) for _, packet in packets(film)]
    after = [bytes(packet) for s in segments for _, packet in packets(s.file)]
    assert after == before


@pytest.mark.parametrize("b_frames", [0, 2])
def test_times_are_those_of_the_pictures(tmp_path: Path, b_frames: int) -> None:
    segments = write(numbered(tmp_path / "film.mp4", 100, b_frames=b_frames), tmp_path / "out")
    shown = []
    for segment in segments:
        pictures = numbers(segment.file)
        assert pictures[0][0] == 0
        shown += [(segment.start + time, number) for time, number in pictures]
    assert [number for _, number in shown] == list(range(1, 101))
    assert [time for time, _ in shown] == pytest.approx(
        [BEGIN + (number - 1) / 10 for number in range(1, 101)], abs=0.002
    )
    for one, other in pairwise(segments):
        assert other.start == pytest.approx(one.end, abs=0.0011)
        assert one.end - one.start == pytest.approx(2 * GOP / 10, abs=0.002)


def test_when_a_segment_began_is_corrected_by_what_is_known_at_its_end(tmp_path: Path) -> None:
    film = numbered(tmp_path / "film.mp4", 50)
    first = write(film, tmp_path / "out", lambda stamp: BEGIN + stamp + (3 if stamp < 1 else 0))[0]
    assert first.start == pytest.approx(BEGIN, abs=0.002)


def test_what_comes_before_the_first_key_frame_is_left_out(tmp_path: Path) -> None:
    film = numbered(tmp_path / "film.mp4", 40)
    recordings = Recordings(tmp_path / "out", "gate")
    writer = None
    for index, (stream, packet) in enumerate(packets(film)):
        writer = writer or SegmentWriter(recordings, stream)
        if index >= 5:
            writer.write(packet, BEGIN + index / 10)
    assert writer is not None
    writer.close()
    found = [number for s in recordings.undecided() for _, number in numbers(s.file)]
    assert found == list(range(GOP + 1, 41))


def test_nothing_is_left_of_a_connection_without_a_key_frame(tmp_path: Path) -> None:
    film = numbered(tmp_path / "film.mp4", 10)
    recordings = Recordings(tmp_path / "out", "gate")
    with av.open(str(film)) as container:
        SegmentWriter(recordings, container.streams.video[0]).close()
    assert recordings.undecided() == []
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_not_left_half_there(tmp_path: Path) -> None:
    film = numbered(tmp_path / "film.mp4", 60)
    with no_file_beyond(1000), pytest.raises(OSError, match="File too large"):
        write(film, tmp_path / "out")
    assert list((tmp_path / "out" / "gate" / "ring").iterdir()) == []
