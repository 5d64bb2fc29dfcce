"""Listens to the stream beside the matcher, so that what was published is counted apart from it."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import redis

from pipeline.bus import Keys, connect, decode, last_numbers
from pipeline.config import Site
from pipeline.records import CameraState, Envelope, TrackletUpdate

_COUNT = 1000
_BLOCK_MS = 500


class Tap:
    """Counts the messages of each run in the stream, from `start` until `stop`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stream = Keys(site.site).tracklets
        self._updates: dict[tuple[str, str], set[int]] = {}
        self._others: dict[tuple[str, str], set[int]] = {}
        self._ended: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="tap", daemon=True)

    def start(self) -> None:
        """Begins to listen; waits for the server as long as it takes."""
        self._thread.start()

    def stop(self) -> None:
        """Ends listening; the counts are final then."""
        self._stop.set()
        self._thread.join()

    @property
    def updates(self) -> int:
        """The tracklet updates published: different ``(camera, run, number)``."""
        return sum(map(len, self._updates.values()))

    @property
    def ended(self) -> set[str]:
        """The cameras that said that their file is at its end."""
        return self._ended

    @property
    def unseen(self) -> int:
        """The messages that the workers numbered, by their own books, and that were not seen."""
        numbered = sum(sum(last_numbers(self._site, c).values()) for c in self._site.cameras)
        return numbered - self.updates - sum(map(len, self._others.values()))

    def _listen(self) -> None:
        client = connect(self._site, name="tap")
        after: bytes | str = "0-0"
        while not self._stop.is_set():
            try:
                found = client.xread({self._stream: after}, count=_COUNT, block=_BLOCK_MS)
            except redis.RedisError:  # not started yet, restarting, or stopped for good
                time.sleep(0.02)
                continue
            for _, messages in cast(list[Any], found):
                for after, fields in messages:  # noqa: B007 - the last one is where to go on
                    self._note(decode(fields[b"m"]))
        client.close()

    def _note(self, envelope: Envelope) -> None:
        body = envelope.body
        kind = self._updates if isinstance(body, TrackletUpdate) else self._others
        kind.setdefault((envelope.camera, envelope.run), set()).add(envelope.number)
        if not isinstance(body, TrackletUpdate) and body.state == CameraState.ENDED:
            self._ended.add(envelope.camera)
