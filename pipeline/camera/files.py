"""Video files and folders of pictures: every frame, in order, decoded ahead of the reader."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline import config
from pipeline.camera.capture import length_of, open_capture, why_not
from pipeline.camera.metrics import FrameCounts
from pipeline.errors import CamtrailError
from pipeline.records import Frame, Image

AHEAD = 8  # frames decoded ahead of the reader
FOLDER_FPS = 10.0
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_DEFAULT_FPS = 25.0  # where a file does not tell
_MAX_DAMAGED = 50  # frames in a row that cannot be decoded, after which a file is at its end
_SHORT = 1.0  # seconds by which a whole file may end before it says: its sound does, say

Wanted = Callable[[float], bool]


@dataclass
class Lost:
    """Frames of a file that could not be decoded, and how many seconds into it the first was."""

    frames: int = 0
    after: float = 0.0

    def add(self, frames: int, seconds: float) -> None:
        """Some more of them, behind what was read last."""
        if frames and not self.frames:
            self.after = seconds
        self.frames += frames


class Reader(Protocol):
    """What a file or folder has: its rate, its number of frames (0: unknown, and often only an
    estimate), the frames, and those of them that were lost.
    """

    fps: float
    count: int
    lost: Lost

    def frames(self, after: int, wanted: Wanted) -> Iterator[tuple[int, float, Image]]:
        """``(number, seconds since the first frame, picture)`` of the frames behind ``after``
        whose seconds are wanted. Numbers count from 1, damaged frames too.
        """


class FileSource:
    """A file's frames; see `pipeline.camera.source.Source`.

    Capture time is ``start`` of the configuration plus the frame's presentation time. Without
    ``start``, the file's time of modification stands in for it.

    Raises:
        CamtrailError: the file is missing, empty or no video.
    """

    live = False
    connected = True
    reconnects = 0

    def __init__(self, camera: config.Camera, name: str, after: int = 0) -> None:
        self._path = Path(camera.source)
        self._reader = _reader(self._path, camera)
        cap = camera.fps if isinstance(self._reader, VideoReader) else None
        self.fps = min(cap or math.inf, self._reader.fps)
        self._wanted = Rate(cap)
        self._counts = FrameCounts(name)
        self._taken = after  # number of the last frame that was given
        self._grabbed = self._wished = 0  # of the frames behind that: could be read, were wanted
        self._name = name
        self._after = after
        start = camera.start.timestamp() if camera.start else self._path.stat().st_mtime
        self._start = self._now = start
        self._last = 0
        self._ended = False
        self._stop = threading.Event()
        self._queue: queue.Queue[Frame | Exception | None] = queue.Queue(AHEAD)
        self._thread = threading.Thread(target=self._decode, name=f"decode-{name}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def message(self) -> str:
        """At the end, how many frames could not be decoded, if any, and where the first was."""
        lost, count = self._reader.lost, self._reader.count
        if not self._ended or not lost.frames:
            return ""
        of_all = f" of {count}" if count else ""
        return (
            f"{self._path}: {lost.frames}{of_all} frames could not be decoded (damaged or cut "
            f"off), the first of them after {lost.after:.1f} s; all others were read"
        )

    def now(self) -> float:
        return self._now

    def read(self, timeout: float) -> Frame | None:
        if self._ended:
            return None
        try:
            item = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            self._ended = True
            raise item
        if item is None:
            self._ended = True
            return None
        self._now = item.time
        return item

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _decode(self) -> None:
        try:
            for number, seconds, image in self._reader.frames(self._after, self._wants):
                self._counts.decoded.inc()
                self._count_damaged(number)
                if not self._put(Frame(self._name, number, self._start + seconds, image)):
                    return
                self._last = number
            if not self._last and not self._after:
                raise CamtrailError(f"{self._path}: not one frame of it can be decoded")
        except Exception as error:  # the reader of the queue raises it
            self._put(error)
        else:
            self._put(None)

    def _wants(self, seconds: float) -> bool:
        wanted = self._wanted(seconds)
        self._grabbed += 1
        self._counts.received.inc()
        self._wished += wanted
        if not wanted:
            self._counts.over_rate.inc()
        return wanted

    def _count_damaged(self, number: int) -> None:
        """Those before this frame that could not be read, or not be decoded."""
        unread = max(0, number - self._taken - self._grabbed)
        resumed = self._after > 0 and self._taken == self._after  # what is read over was wanted too
        self._counts.damaged.inc(unread + (0 if resumed else self._wished - 1))
        self._taken, self._grabbed, self._wished = number, 0, 0

    def _put(self, item: Frame | Exception | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


class Rate:
    """Caps the frame rate: at most one frame in each interval of ``1 / fps`` of capture time.

    The intervals count from the first frame, so a file that is resumed gives the same frames.
    """

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._interval = -1

    def __call__(self, seconds: float) -> bool:
        if self._fps is None:
            return True
        # The small term keeps 0.1 * 30 in interval 3 whatever its last bit says.
        interval = math.floor(seconds * self._fps + 1e-3)
        due = interval > self._interval
        self._interval = max(self._interval, interval)
        return due


class VideoReader:
    """A video file. Frames that are not wanted are decoded but not converted."""

    def __init__(self, path: Path, camera: config.Camera) -> None:
        capture = None if (reason := why_not(camera)) else open_capture(camera)
        if capture is None:
            raise CamtrailError(
                f"{path}: cannot be read as video ({reason or 'OpenCV cannot open it'}): "
                "no video file, or cut off before its index was written"
            )
        self._capture = capture
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else _DEFAULT_FPS
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)  # of a raw stream: nonsense below zero
        self.count = int(count) if 0 < count < 2**40 else 0
        self.lost = Lost()
        self._length = length_of(camera)

    def frames(self, after: int, wanted: Wanted) -> Iterator[tuple[int, float, Image]]:
        number, seconds, damaged = 0, 0.0, 0
        try:
            while damaged < _MAX_DAMAGED:
                if not self._capture.grab():
                    damaged += 1
                    continue
                self.lost.add(damaged, seconds)
                number += 1 + damaged
                seconds = self._seconds(number, seconds)
                damaged = 0
                if wanted(seconds) and number > after:
                    ok, image = self._capture.retrieve()
                    if ok:
                        yield number, seconds, np.asarray(image, np.uint8)
                    else:
                        self.lost.add(1, seconds)
            if self._length - seconds > _SHORT + 1 / self.fps:
                self.lost.add(max(1, self.count - number), seconds)
        finally:
            self._capture.release()

    def _seconds(self, number: int, before: float) -> float:
        """Presentation time of the frame just grabbed; by its number where the file has none."""
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if number == 1:
            return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
        return seconds if seconds > before else max((number - 1) / self.fps, before + 1e-3)


class FolderReader:
    """A folder of pictures, in the order of their names, at a fixed rate."""

    def __init__(self, path: Path, fps: float | None) -> None:
        self._paths = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        if not self._paths:
            kinds = ", ".join(sorted(PICTURES))
            raise CamtrailError(f"{path}: the folder has no pictures ({kinds})")
        self.fps = fps or FOLDER_FPS
        self.count = len(self._paths)
        self.lost = Lost()

    def frames(self, after: int, wanted: Wanted) -> Iterator[tuple[int, float, Image]]:
        for number, path in enumerate(self._paths, 1):
            seconds = (number - 1) / self.fps
            if number > after and wanted(seconds):
                image = cv2.imread(str(path), cv2.IMREAD_COLOR)
                if image is not None:
                    yield number, seconds, np.asarray(image, np.uint8)
                else:
                    self.lost.add(1, seconds)


def _reader(path: Path, camera: config.Camera) -> Reader:
    try:
        size = path.stat().st_size
        if path.is_dir():
            return FolderReader(path, camera.fps)
    except FileNotFoundError:
        raise CamtrailError(
            f"{path}: no such video; check the camera's source in site.yaml"
        ) from None
    except OSError as error:
        raise CamtrailError(f"{path}: cannot be read ({error.strerror})") from None
    if not size:
        raise CamtrailError(f"{path}: the file is empty (0 bytes)")
    return VideoReader(path, camera)
