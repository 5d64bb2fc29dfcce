"""The spans of what a worker publishes: from the capture to the spool, from there to Redis."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pipeline.records import Position, Progress, TrackletUpdate
from pipeline.telemetry import traces

_MOST_WAITING = 4096  # groups whose sending is still to be told, while Redis is away


class PublisherSpans:
    """Of one camera. The caller locks."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._waiting: deque[tuple[Position, float, list[traces.Place]]] = deque(
            maxlen=_MOST_WAITING
        )

    def put(self, bodies: Sequence[TrackletUpdate | Progress], last: Position, now: float) -> None:
        """They were spooled at ``now``, the last of them at ``last``."""
        live = any(isinstance(body, Progress) and body.live for body in bodies)
        places = []
        for body in bodies:
            if isinstance(body, TrackletUpdate):
                place = traces.of_update(self._site, body.key, body.seq)
                began = float(body.path.times[0]) if live and len(body.path) else now
                told: dict[str, str | int | float | bool] = {
                    "camera": body.camera,
                    "tracklet": str(body.key),
                    "seq": body.seq,
                    "crops": body.crops,
                    "points": len(body.path),
                    "ended": body.ended,
                }
                traces.record("update", place, min(began, now), now, told)
                places.append(place)
        self._waiting.append((last, now, places))

    def sent(self, to: Position, now: float) -> None:
        """Redis has taken all up to ``to``."""
        while self._waiting and self._waiting[0][0] <= to:
            _, put, places = self._waiting.popleft()
            for place in places:
                traces.record("send", place.within(), put, now, {}, parent=place)
