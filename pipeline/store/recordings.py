"""The files of recordings: what the recorder writes, the viewer reads, and *forget* deletes.

``recordings/CAMERA/HOUR/START-END.mp4`` is what the camera showed from START up to END, in
milliseconds of capture time since the epoch. It begins with a key frame, so that those that follow
each other can be joined without decoding them. ``ring`` in the place of HOUR holds those of which
it is not known yet whether anybody is in them; ``START.partial`` there is the one that is being
written.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import LONGEST_MARGIN, Recording

PLAYABLE = frozenset({"h264"})  # codecs that every browser plays
RING_SECONDS = 600.0  # for which the store is waited for, where the matcher is behind
LONGEST_SEGMENT = 3600.0  # seconds: how far back one is looked for that reaches into an interval

_RING = "ring"
_DAY = 86_400.0
_GIGABYTE = 1e9
_NAME = re.compile(r"(\d{1,16})-(\d{1,16})\.mp4")
_PARTIAL = re.compile(r"(\d{1,16})\.partial")


@dataclass(frozen=True, slots=True)
class Segment:
    """``start`` and ``end`` in seconds of capture time since the epoch."""

    start: float
    end: float
    file: Path

    def touches(self, start: float, end: float) -> bool:
        """Whether it shows anything of this interval."""
        return self.start < end and self.end > start


class Recordings:
    """What is recorded of one camera, under a folder that need not exist yet."""

    def __init__(self, folder: Path, camera: str) -> None:
        self._folder = folder / camera
        self._ring = self._folder / _RING

    def during(self, start: float, end: float) -> list[Segment]:
        """All that touch this interval, in order."""
        # The ring first: what moves meanwhile is then found twice, and not missed.
        found = {s.file.name: s for s in _segments(self._ring)}
        first, last = _hour(start - LONGEST_SEGMENT), _hour(end)
        for folder in self._hours():
            if first <= folder.name <= last:
                found |= {s.file.name: s for s in _segments(folder)}
        chosen = (segment for segment in found.values() if segment.touches(start, end))
        return sorted(chosen, key=lambda segment: segment.start)

    def undecided(self) -> list[Segment]:
        """Those in the ring, in order."""
        return sorted(_segments(self._ring), key=lambda segment: segment.start)

    def kept(self) -> list[Segment]:
        """Those that are kept, in order."""
        segments = (segment for folder in self._hours() for segment in _segments(folder))
        return sorted(segments, key=lambda segment: segment.start)

    def begin(self, start: float) -> Path:
        """The file in which a segment is to be written."""
        self._ring.mkdir(parents=True, exist_ok=True)
        return self._ring / f"{_milliseconds(start)}.partial"

    def finish(self, partial: Path, start: float, end: float) -> bool:
        """The segment is whole; False where it was forgotten while it was written."""
        name = f"{_milliseconds(start)}-{_milliseconds(end)}.mp4"
        try:
            partial.replace(partial.with_name(name))
        except FileNotFoundError:
            return False
        return True

    def clear_partials(self) -> None:
        """Deletes what a recorder that was killed left half written."""
        for partial, _ in self._partials():
            partial.unlink(missing_ok=True)

    def keep(self, segment: Segment) -> None:
        """Takes it out of the ring."""
        folder = self._folder / _hour(segment.start)
        folder.mkdir(exist_ok=True)
        try:
            segment.file.replace(folder / segment.file.name)
        except FileNotFoundError:  # forgotten
            return

    def delete(self, segment: Segment) -> None:
        """Deletes it, and its folder with the last one."""
        segment.file.unlink(missing_ok=True)
        if segment.file.parent != self._ring:
            try:
                segment.file.parent.rmdir()
            except OSError:  # it holds others
                return

    def forget(self, start: float, end: float) -> None:
        """Deletes whatever may show somebody who was seen from ``start`` to ``end``: the clip of
        that visit with all that is played before and after it, whoever else is in it.

        Raises:
            OSError: something cannot be deleted.
        """
        low, high = start - LONGEST_MARGIN, end + LONGEST_MARGIN
        # Again until there is nothing: the recorder may be giving a file its last name.
        while files := [
            *(partial for partial, begins in self._partials() if begins < high),
            *(segment.file for segment in self.during(low, high)),
        ]:
            for file in files:
                file.unlink(missing_ok=True)

    def _hours(self) -> list[Path]:
        """The folders of those that are kept."""
        try:
            return sorted(p for p in self._folder.iterdir() if p.name != _RING and p.is_dir())
        except FileNotFoundError:
            return []

    def _partials(self) -> list[tuple[Path, float]]:
        """Those that are being written, each with its start."""
        files = self._ring.glob("*.partial") if self._ring.is_dir() else ()
        matches = ((file, _PARTIAL.fullmatch(file.name)) for file in files)
        return [(file, int(match[1]) / 1000) for file, match in matches if match]


def retire(recordings: Recordings, options: Recording, now: float, reserve: int) -> int:
    """Deletes the oldest segments: those that are too old, and then as many as are too much; how
    many.

    Args:
        reserve: bytes of the disk that stay free.
    """
    segments = recordings.kept()
    young = [s for s in segments if s.end >= now - options.days * _DAY]
    for segment in segments[: len(segments) - len(young)]:
        recordings.delete(segment)
    gone = len(segments) - len(young)
    if not young:
        return gone
    sizes = [_size(segment) for segment in young]
    free = shutil.disk_usage(young[-1].file.parent).free
    too_much = max(sum(sizes) - options.max_gigabytes * _GIGABYTE, reserve - free)
    for segment, size in zip(young, sizes, strict=True):
        if too_much <= 0:
            break
        recordings.delete(segment)
        too_much -= size
        gone += 1
    return gone


def _segments(folder: Path) -> Iterator[Segment]:
    try:
        files = list(folder.iterdir())
    except FileNotFoundError:
        return
    for file in files:
        if match := _NAME.fullmatch(file.name):
            yield Segment(int(match[1]) / 1000, int(match[2]) / 1000, file)


def _hour(seconds: float) -> str:
    """The folder of what begins then; in the order of time as text."""
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H")


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _size(segment: Segment) -> int:
    try:
        return segment.file.stat().st_size
    except FileNotFoundError:  # forgotten
        return 0
