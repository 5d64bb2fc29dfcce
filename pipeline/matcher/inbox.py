"""What the cameras said, until its time has come."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator
from dataclasses import replace

from pipeline.matcher.watermark import Watermark
from pipeline.records import Envelope, TrackletKey, TrackletUpdate
from pipeline.store import Received


class Inbox:
    """Messages go in in the order of the stream, updates come out in that of event time.

    Args:
        watermark: of the cameras.
        fingerprint: of the only encoder whose embeddings may meet; empty takes the first seen.

    Attributes:
        late: updates that came after their time had been decided.
        foreign: updates of another encoder.
        refused: updates of tracklets that were forgotten.
    """

    def __init__(self, watermark: Watermark, fingerprint: str) -> None:
        self.watermark, self.fingerprint = watermark, fingerprint
        self.late = self.foreign = self.refused = 0
        self._coming: list[tuple[float, TrackletKey, int, Received]] = []  # heap
        self._dimension = 0
        self._forgotten: set[TrackletKey] = set()

    def __len__(self) -> int:
        return len(self._coming)

    def resume(self, forgotten: Collection[TrackletKey], dimension: int) -> None:
        """Goes on from what the store has; ``dimension`` is that of embeddings, 0: not known."""
        self._forgotten, self._dimension = set(forgotten), dimension

    def receive(self, envelope: Envelope, now: float) -> Received | None:
        """The update of a message and from when it may be used; None where it is none, or not new.

        Args:
            now: the event time up to which all is decided.
        """
        run = self.watermark.observe(envelope)
        update = envelope.body
        if run is None or not isinstance(update, TrackletUpdate):
            return None
        if update.key in self._forgotten:
            self.refused += 1
            return None
        known_at = self.watermark.known_at(update.camera, update.end)
        if known_at <= now:
            self.late += 1
            known_at = math.nextafter(now, math.inf)
        return Received(update, known_at)

    def admits(self, update: TrackletUpdate) -> bool:
        """Whether decisions may use the update; one of another encoder is only stored."""
        if update.embedding is not None:
            self.fingerprint = self.fingerprint or update.fingerprint
            self._dimension = self._dimension or len(update.embedding)
        known = not self.fingerprint or update.fingerprint == self.fingerprint
        fits = update.embedding is None or len(update.embedding) == self._dimension
        self.foreign += not (known and fits)
        return known and fits

    def put(self, received: Received) -> None:
        """Keeps an update until its time; the picture is not needed, and many may wait here."""
        update = replace(received.update, thumbnail=None)
        item = (received.known_at, update.key, update.seq, Received(update, received.known_at))
        heapq.heappush(self._coming, item)

    @property
    def due(self) -> float:
        """The event time of the next update; inf where none waits."""
        return self._coming[0][0] if self._coming else math.inf

    def take(self, now: float) -> Iterator[Received]:
        """What may be used by now, in order."""
        while self.due <= now:
            yield heapq.heappop(self._coming)[3]

    def forget(self, keys: Collection[TrackletKey]) -> None:
        """Nothing of these tracklets may come again."""
        self._forgotten.update(keys)
        self._coming = [item for item in self._coming if item[1] not in self._forgotten]
        heapq.heapify(self._coming)
