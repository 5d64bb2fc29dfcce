"""The messages of one camera that are not yet committed, on disk.

A folder of segment files. A segment is a row of *groups*, each written by one ``write``:
``length (u32) | crc32 of the payload (u32) | payload``, the payload being msgpack
``[run, number of the first message, [message, ...]]``. A group that was not written whole is cut
off when the folder is opened, so what a worker puts together is there together or not at all.
Whole segments are deleted, from the oldest on: those committed, and, when the spool is full, those
that are not (counted as dropped). The segment that holds the last `Progress` always stays, since
it says where a file goes on. When somebody is to be forgotten, what is committed is *wiped*: an
empty message keeps the place of each, and every `Progress` stays.

While the disk takes nothing, since it is full or read-only, groups wait in memory, bounded, and are
written when it does again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgpack

from pipeline.bus.keys import BEGINNING
from pipeline.bus.wire import is_progress
from pipeline.errors import CamtrailError
from pipeline.records import Position

SEGMENT_BYTES = 2**20
MEMORY_BYTES = 32 * 2**20
LOCK_SECONDS = 20.0  # how long a worker that is being stopped may keep its spool

_HEADER = struct.Struct("<II")
_MAX_GROUP = 2**28
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive messages of one run that were put together."""

    run: str
    first: int
    messages: tuple[bytes, ...]

    @property
    def start(self) -> Position:
        """The position of its first message."""
        return Position(self.run, self.first)

    @property
    def last(self) -> Position:
        """The position of its last message."""
        return Position(self.run, self.first + len(self.messages) - 1)

    @property
    def has_progress(self) -> bool:
        return any(is_progress(message) for message in self.messages)

    def wiped(self, committed: Position) -> Group:
        """The group without the contents of what stands at or before ``committed``."""
        messages = tuple(
            message
            if is_progress(message) or Position(self.run, self.first + index) > committed
            else b""
            for index, message in enumerate(self.messages)
        )
        return Group(self.run, self.first, messages)

    def pack(self) -> bytes:
        """The group as it stands in a segment."""
        payload: bytes = msgpack.packb([self.run, self.first, self.messages])
        return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


@dataclass(slots=True)
class _Segment:
    """A file of groups of one run: a new run begins a new segment."""

    path: Path
    size: int = 0
    first: Position = BEGINNING
    last: Position = BEGINNING
    messages: int = 0
    has_progress: bool = False

    def add(self, group: Group, size: int) -> None:
        if not self.messages:
            self.first = group.start
        self.last = group.last
        self.size += size
        self.messages += len(group.messages)
        self.has_progress |= group.has_progress


class Spool:
    """The spool of one camera; one process at a time may have it open.

    Not safe for threads: the owner locks.

    Args:
        folder: made when it is missing.
        max_bytes: what disk and memory together may hold.
        patience: seconds to wait for another process to let go of it; by default
            `LOCK_SECONDS`.

    Raises:
        CamtrailError: another process has the spool open, or the folder cannot be used.
    """

    def __init__(self, folder: Path, max_bytes: int, patience: float | None = None) -> None:
        self.folder = folder
        self.dropped = 0  # messages since it was opened
        self.error = ""  # why the disk takes nothing at the moment
        self._max_bytes = max_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max(1, max_bytes // 8))
        self._memory_bytes = min(MEMORY_BYTES, max_bytes // 2)
        self._segments: list[_Segment] = []
        self._committed = BEGINNING
        self._waiting: deque[tuple[Group, bytes]] = deque()  # not on disk yet
        self._waiting_bytes = 0
        self._file: int | None = None  # the last segment, while it is being written
        self._unsynced = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock", LOCK_SECONDS if patience is None else patience)
            self._open_segments()
        except OSError as error:
            raise CamtrailError(f"{folder}: the spool cannot be opened: {error}") from None
        self._serial = int(self._segments[-1].path.stem) if self._segments else 0

    @property
    def size(self) -> int:
        """Bytes held, on disk and in memory."""
        return sum(segment.size for segment in self._segments) + self._waiting_bytes

    def append(self, group: Group) -> None:
        """Adds a group at the end. Never raises for a disk that is full: see `error`."""
        data = group.pack()
        self._waiting.append((group, data))
        self._waiting_bytes += len(data)
        self.flush()
        self._make_room()

    def flush(self) -> None:
        """Writes what waits in memory, as far as the disk takes it."""
        while self._waiting:
            group, data = self._waiting[0]
            try:
                self._write(group, data)
            except OSError as error:
                self.error = f"{self.folder}: {error.strerror or error}"
                return
            self._waiting.popleft()
            self._waiting_bytes -= len(data)
        self.error = ""

    def start_sync(self) -> int | None:
        """A descriptor to ``fdatasync`` and close, so that what was written survives a loss of
        power; None where there is nothing to do. So the owner need not lock while it waits.
        """
        if not self._unsynced or self._file is None:
            return None
        self._unsynced = False
        return os.dup(self._file)

    def commit(self, position: Position) -> None:
        """Forgets what stands at or before ``position``, as far as whole segments go."""
        self._committed = position
        keep = self._resume_segment()
        while len(self._segments) > 1 and self._segments[0] is not keep:
            if self._segments[0].last > position or not self._remove(self._segments[0]):
                return

    def wipe(self) -> bool:
        """Wipes what is committed; whether the disk took it."""
        try:
            for segment in self._segments:
                if segment.first <= self._committed:
                    self._wipe(segment)
        except OSError:
            return False
        return True

    def groups(self, after: Position) -> Iterator[Group]:
        """The groups that hold a message behind ``after``, the oldest first."""
        for segment in self._segments:
            if segment.last > after:
                for group in _read(segment.path):
                    if group.last > after:
                        yield group
        yield from (group for group, _ in self._waiting if group.last > after)

    def count(self, after: Position) -> int:
        """How many messages stand behind ``after``."""
        total = sum(_count(segment.first, segment.last, after) for segment in self._segments)
        return total + sum(_count(group.start, group.last, after) for group, _ in self._waiting)

    def last_progress(self) -> bytes | None:
        """The last `Progress` that was spooled, as on the wire."""
        for group, _ in reversed(self._waiting):
            if group.has_progress:
                return next(m for m in reversed(group.messages) if is_progress(m))
        segment = self._resume_segment()
        last = None
        for group in _read(segment.path) if segment else ():
            last = next((m for m in reversed(group.messages) if is_progress(m)), last)
        return last

    def last_position(self) -> Position | None:
        """The position of the newest message."""
        if self._waiting:
            return self._waiting[-1][0].last
        return next((s.last for s in reversed(self._segments) if s.messages), None)

    def close(self) -> None:
        """Closes the files and lets others open the spool."""
        self._close_file()
        os.close(self._lock)

    def _open_segments(self) -> None:
        for path in self.folder.glob(f"*{_PARTIAL}"):
            path.unlink()
        for path in sorted(self.folder.glob("*.seg")):
            segment = _Segment(path)
            for group in _read(path):
                segment.add(group, len(group.pack()))
            if path.stat().st_size > segment.size:
                os.truncate(path, segment.size)  # a tail that was not written whole
            if segment.messages:
                self._segments.append(segment)
            else:
                path.unlink()

    def _write(self, group: Group, data: bytes) -> None:
        """Writes the group whole, or raises OSError and leaves no trace of it."""
        if self._file is None or self._segments[-1].size >= self._segment_bytes:
            self._new_segment()
        assert self._file is not None
        segment = self._segments[-1]
        try:
            written = os.write(self._file, data)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._cut_off(segment)
            raise
        segment.add(group, len(data))
        self._unsynced = True

    def _cut_off(self, segment: _Segment) -> None:
        """Takes back what was written of a group; else it is done when the folder is opened."""
        assert self._file is not None
        try:
            os.ftruncate(self._file, segment.size)
        except OSError:  # a disk that has become read-only
            self._close_file()

    def _wipe(self, segment: _Segment) -> None:
        """Writes the segment anew, where there is anything to wipe in it."""
        groups = list(_read(segment.path))
        wiped = [group.wiped(self._committed) for group in groups]
        if wiped == groups:
            return
        if segment is self._segments[-1]:
            self._close_file()  # the next group begins another one
        data = b"".join(group.pack() for group in wiped)
        fresh = segment.path.with_suffix(_PARTIAL)
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(segment.path)
        segment.size = len(data)

    def _new_segment(self) -> None:
        if self._file is not None:
            os.fdatasync(self._file)
            self._close_file()
        path = self.folder / f"{self._serial + 1:010d}.seg"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._serial += 1
        self._segments.append(_Segment(path))

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _resume_segment(self) -> _Segment | None:
        return next((s for s in reversed(self._segments) if s.has_progress), None)

    def _make_room(self) -> None:
        """Drops the oldest segments, then the oldest groups in memory, until the bounds hold."""
        keep = self._resume_segment()
        while self.size > self._max_bytes or self._waiting_bytes > self._memory_bytes:
            oldest = next((s for s in self._segments[:-1] if s is not keep), None)
            if oldest is not None and self._remove(oldest):
                self.dropped += _count(oldest.first, oldest.last, self._committed)
                self.flush()
            elif len(self._waiting) > 1:
                group, data = self._waiting.popleft()
                self._waiting_bytes -= len(data)
                self.dropped += _count(group.start, group.last, self._committed)
            else:
                return

    def _remove(self, segment: _Segment) -> bool:
        """Deletes it; False where the disk does not let us."""
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            self.error = f"{self.folder}: {error.strerror or error}"
            return False
        if segment is self._segments[-1]:
            self._close_file()
        self._segments.remove(segment)
        return True


def _count(first: Position, last: Position, after: Position) -> int:
    """How many messages of ``first``..``last`` (of one run) stand behind ``after``."""
    if last <= after:
        return 0
    done = after.number - first.number + 1 if after.run == first.run else 0
    return last.number - first.number + 1 - max(0, done)


def _read(path: Path) -> Iterator[Group]:
    """The whole groups of a segment, up to the first that is not."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, crc = _HEADER.unpack_from(data, offset)
        payload = data[offset + _HEADER.size : offset + _HEADER.size + length]
        if not 0 < length <= _MAX_GROUP or len(payload) < length or zlib.crc32(payload) != crc:
            return
        run, first, messages = msgpack.unpackb(payload)
        yield Group(run, first, tuple(messages))
        offset += _HEADER.size + length


def _lock(path: Path, patience: float) -> int:
    """Locks the file for this process; waits for a process that is about to stop."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise CamtrailError(
                    f"{path.parent}: another worker of this camera is running; stop it first"
                ) from None
            time.sleep(0.05)
        else:
            return descriptor


def last_position(folder: Path) -> Position | None:
    """The position of the newest message on disk, read without opening the spool."""
    for path in sorted(folder.glob("*.seg"), reverse=True):
        last = None
        for group in _read(path):
            last = group.last
        if last is not None:
            return last
    return None
