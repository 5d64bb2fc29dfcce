"""What can be played of a camera: its recordings, or its own file. Nothing is decoded.

A *piece* is a stretch that can be played as one clip; it begins with a key frame.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
import av.error

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.footage import first_time
from pipeline.store.recordings import PLAYABLE, Recordings, Segment

LONGEST_PIECE = 60.0  # seconds; a clip is put together in memory

_LONGEST_LEAD = 240.0  # seconds from a file's key frame to what is wanted, where it has no index
_JOINT = 0.1  # seconds between two segments that follow each other
_INDEX_BYTES = 64  # of the index for a packet, amply
_AT_ONCE = threading.BoundedSemaphore(2)  # each holds a minute of video


class NothingRecordedError(CamtrailError):
    """There is nothing to play, and why."""


class Piece(NamedTuple):
    """From ``start``, where its clip's time is 0, up to ``end``; seconds since the epoch."""

    start: float
    end: float


class Footage(Protocol):
    """What a camera's pictures can be played from."""

    def pieces(self, start: float, end: float, longest: float = LONGEST_PIECE) -> list[Piece]:
        """What there is of an interval, in order, each of about ``longest`` seconds at most.

        Raises:
            NothingRecordedError: there is nothing of it.
        """

    def clip(self, piece: Piece) -> bytes:
        """A piece as MP4, its index at the front.

        Raises:
            NothingRecordedError: it is not there any more.
        """


def footage_of(site: Site, camera: str) -> Footage:
    """Where the pictures of a camera are.

    Raises:
        NothingRecordedError: there are none.
    """
    if not site.recording.enabled:
        raise NothingRecordedError("recording is off (recording.enabled in site.yaml)")
    if camera not in site.cameras:
        raise NothingRecordedError(f"there is no camera '{camera}' in site.yaml any more")
    source = site.cameras[camera]
    if not source.live:
        return FileFootage(Path(source.source), first_time(source))
    if not source.is_stream:
        raise NothingRecordedError(f"camera '{camera}' is a device, of which nothing is recorded")
    return RecordedFootage(Recordings(site.recordings_dir, camera))


class RecordedFootage:
    """The segments of a recorder, put together."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    def pieces(self, start: float, end: float, longest: float = LONGEST_PIECE) -> list[Piece]:
        found: list[Piece] = []
        for segment in self._recordings.during(start, end):
            last = found[-1] if found else None
            if (
                last is not None
                and abs(segment.start - last.end) <= _JOINT
                and segment.end - last.start <= longest
            ):
                found[-1] = Piece(last.start, segment.end)
            else:
                found.append(Piece(segment.start, segment.end))
        if not found:
            raise NothingRecordedError("nothing is recorded of this time, or not any more")
        return found

    def clip(self, piece: Piece) -> bytes:
        segments = [
            segment
            for segment in self._recordings.during(*piece)
            if segment.start >= piece.start and segment.end <= piece.end
        ]
        with _AT_ONCE, ExitStack() as stack:
            parts = [part for s in segments if (part := _whole(stack, s, piece.start))]
            if not parts:
                raise NothingRecordedError("this is not recorded any more")
            return _join(parts)


class FileFootage:
    """A camera's file; ``begin`` is the capture time of its first picture."""

    def __init__(self, file: Path, begin: float) -> None:
        self._file = file
        self._begin = begin

    def pieces(self, start: float, end: float, longest: float = LONGEST_PIECE) -> list[Piece]:
        with self._opened() as container:
            stream = self._stream(container)
            length = _length(container, stream)
            at, end = max(start, self._begin), min(end, self._begin + length)
            found: list[Piece] = []
            while at < end:
                stop = min(at + longest, end)
                found.append(Piece(self._key(container, stream, at), stop))
                at = stop
        if not found:
            raise NothingRecordedError(f"{self._file.name} shows nothing of this time")
        return found

    def clip(self, piece: Piece) -> bytes:
        with _AT_ONCE, self._opened() as container:
            stream = self._stream(container)
            origin = self._origin(stream)
            packets: list[Any] = []
            for packet in self._from_key(container, stream, piece.start):
                stamp = packet.pts if packet.dts is None else packet.dts
                if origin + stamp * float(stream.time_base) >= piece.end:
                    break
                packets.append(packet)
            _fill_in(packets)
            return _join([_Part(stream, packets, origin - piece.start)])

    def _opened(self) -> Any:
        if self._file.is_dir():
            raise NothingRecordedError(f"{self._file.name} is a folder of pictures, not a video")
        try:
            return av.open(str(self._file))
        except (av.error.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise NothingRecordedError(f"{self._file.name} cannot be opened: {reason}") from None

    def _stream(self, container: Any) -> Any:
        streams = container.streams.video
        if not streams:
            raise NothingRecordedError(f"{self._file.name} holds no video")
        codec = streams[0].codec_context.codec.canonical_name
        if codec not in PLAYABLE:
            raise NothingRecordedError(
                f"{self._file.name} holds {codec}, which browsers do not play; only H.264 is played"
            )
        if streams[0].duration is None and container.duration is None:
            raise NothingRecordedError(f"{self._file.name} has no times by which to find a place")
        return streams[0]

    def _origin(self, stream: Any) -> float:
        """Capture time of the time stamp 0: the first picture was taken at the beginning."""
        return self._begin - float((stream.start_time or 0) * stream.time_base)

    def _key(self, container: Any, stream: Any, moment: float) -> float:
        """Capture time of the last key frame at or before ``moment``."""
        first = next(self._from_key(container, stream, moment))
        return float(self._origin(stream) + first.pts * float(stream.time_base))

    def _from_key(self, container: Any, stream: Any, moment: float) -> Iterator[Any]:
        """The packets from the last key frame at or before ``moment`` on."""
        origin = self._origin(stream)
        stamp = round((moment - origin) / stream.time_base)
        for back in (0.0, 4.0, 16.0, 64.0, _LONGEST_LEAD):
            # A file without an index lands anywhere: then from further back.
            container.seek(stamp - round(back / stream.time_base), stream=stream)
            key = None
            for packet in container.demux(stream):
                if packet.pts is None or packet.pts > stamp:
                    break
                key = packet.pts if packet.is_keyframe else key
            if key is not None:
                container.seek(stamp - round(back / stream.time_base), stream=stream)
                return _from(container.demux(stream), key)
        raise NothingRecordedError(
            f"{self._file.name}: its key frames are too far apart to begin there"
        )


@dataclass(frozen=True)
class _Part:
    """Packets of a stream, and the seconds by which they are moved."""

    stream: Any
    packets: Sequence[Any]
    shift: float


def _whole(stack: ExitStack, segment: Segment, begin: float) -> _Part | None:
    """All of a segment, in a clip that begins at ``begin``; None where it is gone."""
    try:
        container = stack.enter_context(av.open(str(segment.file)))
    except (av.error.FFmpegError, OSError):
        return None
    stream = container.streams.video[0]
    packets = [packet for packet in container.demux(stream) if packet.dts is not None]
    return _Part(stream, packets, segment.start - begin)


def _join(parts: Sequence[_Part]) -> bytes:
    """One MP4 of those parts that are coded as the first one is."""
    first = parts[0].stream
    alike = [part for part in parts if _coding(part.stream) == _coding(first)]
    count = sum(len(part.packets) for part in alike)
    room = 2**14 + len(first.codec_context.extradata or b"") + _INDEX_BYTES * count
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"moov_size": str(room)}) as container:
        copy = container.add_stream_from_template(first)
        after = None  # the time stamp that comes next at the earliest
        for part in alike:
            shift = round(part.shift / part.stream.time_base)
            if part.packets and after is not None:
                shift = max(shift, after - part.packets[0].dts)
            for packet in part.packets:
                packet.pts += shift
                packet.dts += shift
                after = packet.dts + 1
                packet.stream = copy
                container.mux_one(packet)
    return file.getvalue()


def _from(packets: Iterator[Any], key: int) -> Iterator[Any]:
    """From the packet with this time stamp on; the last one that a demuxer gives is empty."""
    later = dropwhile(lambda packet: packet.pts != key, packets)
    return takewhile(lambda packet: packet.pts is not None, later)


def _fill_in(packets: Sequence[Any]) -> None:
    """Decoding times where the file gives none, which is at its beginning: before the first."""
    known = next((packet.dts for packet in packets if packet.dts is not None), None)
    for packet in reversed([packet for packet in packets if packet.dts is None]):
        step = packet.duration or 1
        known = packet.pts if known is None else known - step
        packet.dts = known


def _coding(stream: Any) -> tuple[Any, ...]:
    context = stream.codec_context
    return context.name, context.width, context.height, context.extradata, stream.time_base


def _length(container: Any, stream: Any) -> float:
    """Seconds of a file."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return float(container.duration / av.time_base)
