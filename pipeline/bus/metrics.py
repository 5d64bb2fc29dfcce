"""What the worker's side of the bus counts, and who reaches Redis."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pipeline.records import Position, Progress, TrackletUpdate
from pipeline.telemetry.metrics import counter, gauge, histogram

PUBLISHED = counter("bus_messages_published", "Messages put into the spool.", "camera")
SENT = counter("bus_messages_sent", "Messages that Redis took, again ones too.", "camera")
RESENT = counter("bus_resends", "Times that Redis had forgotten what it took.", "camera")
DELAY = histogram(
    "bus_capture_to_publish_seconds",
    "Seconds from the capture of a live camera's newest picture to when Redis took what was seen.",
    "camera",
)
SPOOL_MESSAGES = gauge("bus_spool_messages", "Messages not yet committed.", "camera")
SPOOL_BYTES = gauge("bus_spool_bytes", "Bytes of the spool.", "camera")
SPOOL_LIMIT = gauge("bus_spool_limit_bytes", "Bytes that the spool may have.", "camera")
SPOOL_DROPPED = counter("bus_spool_dropped", "Messages lost since the spool was full.", "camera")
SPOOL_FAULT = gauge("bus_spool_fault", "Whether the disk takes nothing of the spool.", "camera")
STREAM = gauge("bus_stream_messages", "Messages in Redis, when the worker last sent.", "camera")
DEAD_LETTERS = counter("bus_dead_letters", "Messages that could not be decoded.")
REDIS_UP = gauge("redis_connected", "Whether this process reaches Redis.", "role")
CONNECTIONS = counter("redis_connections", "Connections to Redis that were made.")

_MOST_WAITING = 4096  # groups whose delay is still to be taken, while Redis is away


class PublisherCounts:
    """What the publisher of one camera says. The caller locks."""

    def __init__(self, camera: str, limit: int) -> None:
        self._camera = camera
        self._published, self._sent = PUBLISHED.labels(camera), SENT.labels(camera)
        self._delay, self._dropped = DELAY.labels(camera), SPOOL_DROPPED.labels(camera)
        self._messages, self._bytes = SPOOL_MESSAGES.labels(camera), SPOOL_BYTES.labels(camera)
        self._fault, self.stream = SPOOL_FAULT.labels(camera), STREAM.labels(camera)
        self.resent = RESENT.labels(camera)
        self._waiting: deque[tuple[Position, float]] = deque(maxlen=_MOST_WAITING)
        SPOOL_LIMIT.labels(camera).set(limit)

    def put(self, bodies: Sequence[TrackletUpdate | Progress], last: Position) -> None:
        """Messages were spooled, the last of them at ``last``."""
        self._published.inc(len(bodies))
        covered = bodies[-1]
        if isinstance(covered, Progress) and covered.live:
            self._waiting.append((last, covered.time))

    def spooled(self, messages: int, size: int, fault: bool) -> None:
        """How the spool stands."""
        self._messages.set(messages)
        self._bytes.set(size)
        self._fault.set(fault)

    def dropped(self, messages: int) -> None:
        """So many were lost."""
        self._dropped.inc(messages)

    def sent(self, messages: int, to: Position, now: float) -> None:
        """Redis took so many, and all up to ``to``, at ``now`` (seconds since the epoch)."""
        self._sent.inc(messages)
        while self._waiting and self._waiting[0][0] <= to:
            self._delay.observe(max(0.0, now - self._waiting.popleft()[1]))

    def close(self) -> None:
        """Nothing stands any more."""
        for metric in (SPOOL_MESSAGES, SPOOL_BYTES, SPOOL_FAULT, SPOOL_LIMIT, STREAM):
            metric.remove(self._camera)
