"""Listens to the stream beside the matcher, so that what was published is counted apart from it."""

from __future__ import annotations

import threading

from pipeline.bus import FIRST_ID, Keys, connect, last_numbers, listen
from pipeline.config import Site
from pipeline.records import CameraState, Envelope, TrackletUpdate


class Tap:
    """Counts the messages of each run in the stream, from `start` until `stop`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._keys = Keys(site.site)
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
        for envelope in listen(client, self._keys, FIRST_ID, self._stop):
            self._note(envelope)
        client.close()

    def _note(self, envelope: Envelope) -> None:
        body = envelope.body
        kind = self._updates if isinstance(body, TrackletUpdate) else self._others
        kind.setdefault((envelope.camera, envelope.run), set()).add(envelope.number)
        if not isinstance(body, TrackletUpdate) and body.state == CameraState.ENDED:
            self._ended.add(envelope.camera)
