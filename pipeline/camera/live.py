"""Cameras that run on the clock: only the newest frame counts, and a lost one is called again."""

from __future__ import annotations

import math
import random
import threading
import time

import cv2
import numpy as np

from pipeline import config
from pipeline.camera.capture import open_capture, why_not
from pipeline.camera.files import Rate
from pipeline.camera.metrics import FrameCounts
from pipeline.config import redact_url
from pipeline.records import Frame, Image
from pipeline.telemetry import get_logger

BACKOFF = (0.5, 30.0)  # seconds: first and longest wait before the next attempt
_DEFAULT_FPS = 25.0  # where the stream does not tell
_BACKLOG_SECONDS = 5.0  # of pictures at most that are taken for old ones

log = get_logger(__name__)


class Clock:
    """Seconds since the epoch that never run backwards.

    Where the system's clock is set back, this one goes on at half its pace until it is caught up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = time.time()
        self._ticks = time.monotonic()

    def now(self) -> float:
        with self._lock:
            wall, ticks = time.time(), time.monotonic()
            self._last = max(wall, self._last + (ticks - self._ticks) / 2)
            self._ticks = ticks
            return self._last


class LiveSource:
    """A stream or device; see `pipeline.camera.source.Source`. Capture time is time of arrival.

    A frame that is not read before the next one arrives is lost: nobody lags behind the clock.
    """

    live = True
    ended = False

    def __init__(self, camera: config.Camera, name: str) -> None:
        self._camera = camera
        self._name = name
        self._address = redact_url(camera.source)
        self.fps = camera.fps or _DEFAULT_FPS
        self._clock = Clock()
        self._began = self._clock.now()
        self._wanted = Rate(camera.fps)
        self._counts = FrameCounts(name)
        self._index = 0
        self._slot: tuple[float, Image] | None = None
        self._arrived = threading.Condition()
        self._connected = False
        self._reconnects = 0
        self._message = f"connecting to {self._address}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"decode-{name}", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def message(self) -> str:
        return self._message

    @property
    def reconnects(self) -> int:
        return self._reconnects

    def now(self) -> float:
        return self._clock.now()

    def read(self, timeout: float) -> Frame | None:
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._slot is not None, timeout):
                return None
            assert self._slot is not None
            (moment, image), self._slot = self._slot, None
        self._index += 1
        return Frame(self._name, self._index, moment, image)

    def close(self) -> None:
        # A capture that blocks gives up at its read time-out; the thread is a daemon.
        self._stop.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        wait, longest = BACKOFF
        while not self._stop.is_set():
            frames = self._read_connection()
            if self._stop.is_set():
                return
            if frames:
                self._reconnects += 1
                self._counts.reconnects.inc()
                self._lost("the stream broke off")
                wait = BACKOFF[0]
            else:
                self._lost(why_not(self._camera) or "it opens but gives no picture")
            self._stop.wait(wait * random.uniform(0.5, 1))  # noqa: S311 - jitter
            wait = min(wait * 2, longest)

    def _read_connection(self) -> int:
        """Reads until the connection breaks; the number of frames that it gave."""
        capture = open_capture(self._camera)
        if capture is None:
            return 0
        frames = 0
        try:
            self._counts.backlog.inc(skip_backlog(capture))
            while not self._stop.is_set() and capture.grab():
                moment = self._clock.now()
                self._counts.received.inc()
                if not self._wanted(moment - self._began):
                    self._counts.over_rate.inc()
                    continue
                ok, image = capture.retrieve()
                if not ok:
                    self._counts.damaged.inc()
                    continue
                self._counts.decoded.inc()
                if not frames:
                    self._found(frame_rate(capture))
                frames += 1
                with self._arrived:
                    if self._slot is not None:
                        self._counts.overtaken.inc()
                    self._slot = (moment, np.asarray(image, np.uint8))
                    self._arrived.notify()
        finally:
            capture.release()
        return frames

    def _found(self, fps: float) -> None:
        self.fps = min(fps, self._camera.fps or math.inf)
        self._connected, self._message = True, ""
        log.info("camera connected", camera=self._name, source=self._address)

    def _lost(self, reason: str) -> None:
        message = f"{self._address}: {reason}; trying again"
        if message != self._message:
            log.warning("camera away", camera=self._name, source=self._address, reason=reason)
        self._connected, self._message = False, message


def frame_rate(capture: cv2.VideoCapture) -> float:
    """Frames a second, as far as the stream tells something that can be true."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if math.isfinite(fps) and 0 < fps <= 240 else _DEFAULT_FPS


def skip_backlog(capture: cv2.VideoCapture) -> int:
    """Drops what arrived while FFmpeg looked into the stream: seconds old, it comes in one go.

    The first frame that had to be waited for is a new one.

    Returns:
        How many were dropped.
    """
    interval = 1 / frame_rate(capture)
    most = int(_BACKLOG_SECONDS / interval)
    for number in range(most):
        began = time.monotonic()
        if not capture.grab() or time.monotonic() - began > interval / 2:
            return number
    return most
