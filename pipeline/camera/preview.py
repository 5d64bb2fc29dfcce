"""Frames for those who watch, and nothing while nobody does."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import cv2
import numpy as np
import redis

from pipeline.bus import Keys, Preview, connect, encode_preview
from pipeline.config import Site
from pipeline.privacy.regions import hide, regions
from pipeline.records import FloatArray, Frame, Image

LONGEST_SIDE = 960  # pixels of the picture that is sent
MOST_FPS = 8.0

_ASK_SECONDS = 1.0
_QUALITY = 70  # of the JPEG


class PreviewSender:
    """Asks once a second whether somebody watches; meanwhile sends the newest frame that it is
    given, at most `MOST_FPS` a second, from a thread of its own.

    Attributes:
        watched: whether `offer` is of any use now.
    """

    def __init__(self, site: Site, camera: str, run: str) -> None:
        self.watched = False
        self._camera = camera
        self._run = run
        self._keys = Keys(site.site)
        self._client = connect(site, name=f"camtrail-live-{camera}")
        self._privacy = site.privacy
        self._newest: tuple[Frame, Mapping[int, FloatArray], FloatArray | None] | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run_on, name=f"live-{camera}", daemon=True)
        self._thread.start()

    def offer(
        self,
        frame: Frame,
        people: Mapping[int, FloatArray],
        everybody: FloatArray | None = None,
    ) -> None:
        """A frame and the boxes (4,) in it by the track of their tracklets. Never waits.

        Args:
            everybody: (n, 4) of whom it is not to show, where people are hidden.
        """
        with self._changed:
            self._newest = frame, people, everybody
            self._changed.notify_all()

    def close(self) -> None:
        """Sends nothing more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._client.close()

    def _run_on(self) -> None:
        while not self._closing:
            try:
                self.watched = bool(self._client.exists(self._keys.watched(self._camera)))
                if self.watched:
                    self._send_for(_ASK_SECONDS)
                    continue
            except (redis.RedisError, OSError):
                self.watched = False  # away: asked again
            self._newest = None
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _ASK_SECONDS)

    def _send_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._closing and (left := end - time.monotonic()) > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closing, left)
                newest, self._newest = self._newest, None
            if newest is not None:
                began = time.monotonic()
                self._client.publish(self._keys.live(self._camera), self._encode(*newest))
                pause = 1 / MOST_FPS - (time.monotonic() - began)
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, max(0.0, pause))

    def _encode(
        self, frame: Frame, people: Mapping[int, FloatArray], everybody: FloatArray | None
    ) -> bytes:
        height, width = frame.image.shape[:2]
        image, scale = frame.image, min(1.0, LONGEST_SIDE / max(height, width))
        if scale < 1:
            size = (round(width * scale), round(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        what = self._privacy.hidden("live")
        shown, clear = image, None
        if everybody is not None and what != "none":
            shown = hide(image, regions(everybody, what) * np.float32(scale), what)
            clear = _jpeg(image) if self._privacy.some_see_clearly else None
        boxes = {
            track: (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
            for track, box in people.items()
        }
        place = (self._camera, self._run, frame.index, frame.time, width, height)
        return encode_preview(Preview(*place, boxes, _jpeg(shown), clear))


def _jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
