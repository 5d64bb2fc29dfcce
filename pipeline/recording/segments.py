"""Packets into segment files, as they come."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import av

from pipeline.store.recordings import Recordings

SEGMENT_SECONDS = 2.0  # after which the next key frame begins another one


class SegmentWriter:
    """Copies the packets of one connection; nothing is decoded. Close it at the end."""

    def __init__(self, recordings: Recordings, stream: Any) -> None:
        self._recordings = recordings
        self._stream = stream
        self._partial: Path | None = None
        self._container: Any = None
        self._copy: Any = None  # the stream in the container
        self._began = 0  # time stamp of the first picture, in the stream's time base
        self._end = (0.0, 0.0)  # of the newest picture: stamp and capture time

    def write(self, packet: Any, moment: float) -> None:
        """Takes the next packet; what comes before the first key frame is dropped.

        Args:
            packet: of the stream, with time stamps; it is changed.
            moment: capture time in seconds since the epoch.

        Raises:
            OSError: it cannot be written.
        """
        stamp = float(packet.pts * packet.time_base)
        if packet.is_keyframe and self._due(stamp):
            self._finish(stamp, moment)
            self._begin(packet.pts, moment)
        if self._container is None:
            return
        shown = float((packet.duration or 0) * packet.time_base)
        self._end = (stamp + shown, moment + shown)
        packet.pts -= self._began
        packet.dts -= self._began
        packet.stream = self._copy
        try:
            self._container.mux_one(packet)
        except OSError:
            self._discard()
            raise

    def close(self) -> None:
        """Finishes the last segment."""
        self._finish(*self._end)

    def _due(self, stamp: float) -> bool:
        began = float(self._began * self._stream.time_base)
        return self._container is None or stamp - began >= SEGMENT_SECONDS

    def _begin(self, stamp: int, moment: float) -> None:
        self._partial = self._recordings.begin(moment)
        self._container = av.open(str(self._partial), "w", format="mp4")
        self._copy = self._container.add_stream_from_template(self._stream)
        self._began = stamp

    def _finish(self, stamp: float, moment: float) -> None:
        """The segment ends where the next one begins, at ``moment``."""
        if self._container is None:
            return
        assert self._partial is not None
        try:
            self._container.close()
        except OSError:
            self._discard()
            raise
        self._container = None
        # When it began is better known now: see `Arrival`.
        length = stamp - float(self._began * self._stream.time_base)
        self._recordings.finish(self._partial, moment - length, moment)

    def _discard(self) -> None:
        """What could not be written is not left half there, on a disk that is full."""
        assert self._partial is not None
        with suppress(OSError):
            self._container.close()
        self._container = None
        self._partial.unlink(missing_ok=True)
