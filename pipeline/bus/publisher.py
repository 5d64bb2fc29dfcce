"""The worker's side of the bus: numbers messages, spools them, and sends them in order."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

import redis

from pipeline.bus.connection import connect, reason_of, refused_login
from pipeline.bus.keys import BEGINNING, Keys, parse_position
from pipeline.bus.metrics import REDIS_UP, PublisherCounts
from pipeline.bus.runs import new_run, note_run, spool_folder
from pipeline.bus.spans import PublisherSpans
from pipeline.bus.spool import Group, Spool
from pipeline.bus.stream import drained
from pipeline.bus.wire import WireError, decode, encode
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.keyring import Keyring, name_of
from pipeline.records import CameraHealth, Envelope, Position, Progress, TrackletUpdate
from pipeline.telemetry import get_logger, traces

MAX_STREAM = 20_000  # messages in the stream beyond which the rest waits in the spools
HEALTH_SECONDS = 15  # after which a health hash expires

_POLL_SECONDS = 0.25  # how often the committed position is read while something is spooled
_STALL_SECONDS = 5.0  # how long the position may stand still before the server is suspected
_BATCH_BYTES = 2**20
_BACKOFF = (0.1, 5.0)  # seconds: first and longest wait after an error

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """``published`` and ``dropped`` count the messages of this run, ``spooled`` those of any run
    that are not yet committed; ``error`` is empty while all is well.
    """

    published: int
    spooled: int
    spool_bytes: int
    dropped: int
    connected: bool
    error: str


class Publisher:
    """Gets a camera's messages to the matcher, whatever happens to either or to Redis.

    `put` never waits for Redis; a thread sends. ``run`` is this run's ULID, later than those of
    all former runs even if the clock went back. ``resume`` is the last `Progress` that former
    runs spooled, where a file goes on, or None.

    Raises:
        CamtrailError: another process publishes for this camera, or the spool cannot be used.
    """

    def __init__(self, site: Site, camera: str) -> None:
        self._site = site
        self.camera = camera
        self._keys = Keys(site.site)
        self._keyring = Keyring.of(site.encryption)
        limit = int(site.spool.max_megabytes * 1e6)
        self._spool = Spool(spool_folder(site, camera), limit)
        self._counts = PublisherCounts(camera, limit)
        self._spans = PublisherSpans(site.site) if traces.enabled() else None
        former = self._spool.last_position()
        if former is not None:
            note_run(self._spool.folder, former)
        self.run = new_run(former.run if former else "")
        self.resume = _last_progress(self._spool)
        self._number = 0
        self._committed = BEGINNING  # as the matcher last announced it
        self._forgotten: bytes | None = None  # as it last said when somebody was to be forgotten
        self._wipe_to = former  # until this is committed, what is committed is wiped
        self._sent = BEGINNING  # on the present connection
        self._connected = False
        self._error = ""
        self._health: CameraHealth | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._send_all, name=f"send-{camera}", daemon=True)
        self._thread.start()

    def put(self, bodies: Sequence[TrackletUpdate | Progress]) -> None:
        """Numbers the messages and spools them as one group: after a crash all or none are there.

        Raises:
            WireError: a record breaks its own promises; nothing was put.
        """
        if not bodies:
            return
        with self._changed:
            dropped = self._spool.dropped
            messages = [
                encode(Envelope(number, self._stamp(body, dropped)))
                for number, body in enumerate(bodies, self._number + 1)
            ]
            self._spool.append(Group(self.run, self._number + 1, tuple(messages)))
            self._number += len(messages)
            self._counts.put(bodies, Position(self.run, self._number))
            if self._spans is not None:
                self._spans.put(bodies, Position(self.run, self._number), time.time())
            self._tell_spool()
            if self._spool.dropped > dropped:
                self._counts.dropped(self._spool.dropped - dropped)
                log.warning(
                    "spool full, dropped the oldest messages",
                    camera=self.camera,
                    dropped=self._spool.dropped,
                )
            self._changed.notify_all()

    def wait_sent(self, timeout: float) -> bool:
        """Whether Redis has taken everything within ``timeout`` seconds."""
        return self._wait(lambda: self._sent, timeout)

    def wait_committed(self, timeout: float) -> bool:
        """Whether the matcher has committed everything within ``timeout`` seconds."""
        return self._wait(lambda: self._committed, timeout)

    @property
    def stats(self) -> PublisherStats:
        """How it stands now."""
        with self._changed:
            return PublisherStats(
                published=self._number,
                spooled=self._spool.count(self._committed),
                spool_bytes=self._spool.size,
                dropped=self._spool.dropped,
                connected=self._connected,
                error=self._spool.error or self._error,
            )

    def report(self, health: CameraHealth) -> None:
        """Publishes ``health`` (it expires after `HEALTH_SECONDS`); the figures of the spool and,
        where there is no message, the publisher's error are filled in.
        """
        with self._changed:
            self._health = health
            self._changed.notify_all()

    def close(self, timeout: float = 2.0) -> None:
        """Sends what can be sent within ``timeout`` seconds; the rest stays for the next run."""
        if self._connected:
            self.wait_sent(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._spool.close()
        self._counts.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stamp(self, body: TrackletUpdate | Progress, dropped: int) -> TrackletUpdate | Progress:
        if body.run != self.run or body.camera != self.camera:
            raise ValueError(f"{body.camera}/{body.run} is not {self.camera}/{self.run}")
        if isinstance(body, Progress):
            return replace(body, dropped=dropped)
        if body.thumbnail is None:
            return body
        return replace(body, thumbnail=self._keyring.seal(body.thumbnail, name_of(body)))

    def _tell_spool(self) -> None:
        """Under the lock."""
        spool = self._spool
        self._counts.spooled(spool.count(self._committed), spool.size, bool(spool.error))

    def _wait(self, reached: Callable[[], Position], timeout: float) -> bool:
        def done() -> bool:
            last = self._spool.last_position()
            return last is None or last <= reached()

        with self._changed:
            return self._changed.wait_for(done, timeout)

    def _send_all(self) -> None:
        """The sender: one connection after the other, until `close`."""
        shortest, longest = _BACKOFF
        backoff = shortest
        while not self._closing:
            began = time.monotonic()
            try:
                self._send_on_one_connection()
            except (redis.RedisError, OSError) as error:
                self._failed(error)
            with self._changed:
                if self._closing:
                    return
                if time.monotonic() - began > longest:
                    backoff = shortest
                self._changed.wait_for(
                    lambda: self._closing,
                    backoff * random.uniform(0.5, 1.0),  # noqa: S311 - jitter
                )
            backoff = min(2 * backoff, longest)

    def _failed(self, error: Exception) -> None:
        text = refused_login(error) or reason_of(error)
        with self._changed:
            if self._connected or text != self._error:
                log.warning("cannot publish", camera=self.camera, error=text)
            self._connected = False
            self._error = text
        REDIS_UP.labels("worker").set(0)

    def _send_on_one_connection(self) -> None:
        """Sends from behind the committed position on, until the connection breaks."""
        connections = 0

        def only_one() -> None:
            # A second one may lead to a server that has forgotten what the first had taken.
            nonlocal connections
            connections += 1
            if connections > 1:
                raise redis.ConnectionError("the connection to Redis was lost")

        client = connect(self._site, only_one, f"camtrail-worker-{self.camera}")
        try:
            committed = self._read_committed(client)
            with self._changed:
                self._sent = committed
                self._connected, self._error = True, ""
            REDIS_UP.labels("worker").set(1)
            moved, health_sent = time.monotonic(), None
            while not self._closing:
                sent = self._send_batch(client)
                health_sent = self._send_health(client, health_sent)
                before, committed = committed, self._read_committed(client)
                if committed != before or committed >= self._sent:
                    moved = time.monotonic()
                elif time.monotonic() - moved > _STALL_SECONDS and drained(client, self._keys):
                    moved = time.monotonic()
                    # What is acknowledged was announced before: now all that was taken is known.
                    committed = self._read_committed(client)
                    if committed < self._sent:
                        self._send_again(committed)
                if not sent:
                    self._wait_for_work(health_sent)
        finally:
            client.close()

    def _send_again(self, committed: Position) -> None:
        """All is acknowledged, and ours was not among it."""
        log.warning("Redis has forgotten messages; sending again", camera=self.camera)
        self._counts.resent.inc()
        with self._changed:
            self._sent = committed

    def _read_committed(self, client: redis.Redis) -> Position:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.get(self._keys.forgotten)
            pipeline.hget(self._keys.committed, self.camera)
            forgotten, text = pipeline.execute()
        try:
            committed = parse_position(text) if text else BEGINNING
        except ValueError:
            committed = BEGINNING
        with self._changed:
            moved = committed != self._committed
            self._committed = committed
            self._spool.flush()
            self._spool.commit(committed)
            if forgotten != self._forgotten:
                self._forgotten, self._wipe_to = forgotten, self._spool.last_position()
                moved = True
            if moved and self._wipe_to is not None and self._spool.wipe():
                self._wipe_to = None if committed >= self._wipe_to else self._wipe_to
            self._tell_spool()
            self._changed.notify_all()
        return committed

    def _send_batch(self, client: redis.Redis) -> bool:
        """Sends the next messages; whether there were any."""
        with self._changed:
            batch: list[bytes] = []
            position, size = self._sent, 0
            for group in self._spool.groups(self._sent):
                skip = self._sent.number - group.first + 1 if group.run == self._sent.run else 0
                batch += filter(None, group.messages[max(0, skip) :])  # not what was wiped
                position, size = group.last, size + sum(map(len, group.messages))
                if size >= _BATCH_BYTES:
                    break
            descriptor = self._spool.start_sync() if batch else None
        if descriptor is not None:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if not batch:
            with self._changed:
                self._sent = position
            return False
        waiting: Any = client.xlen(self._keys.tracklets)
        self._counts.stream.set(waiting)
        if waiting >= MAX_STREAM:
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _POLL_SECONDS)
            return True
        # All or none: a server short of memory refuses one and takes the next, which leaves a gap.
        with client.pipeline(transaction=True) as pipeline:
            for message in batch:
                pipeline.xadd(self._keys.tracklets, {b"m": message})
            pipeline.execute()
        with self._changed:
            self._sent = position
            self._counts.sent(len(batch), position, time.time())
            if self._spans is not None:
                self._spans.sent(position, time.time())
            self._changed.notify_all()
        return True

    def _send_health(self, client: redis.Redis, sent: CameraHealth | None) -> CameraHealth | None:
        health = self._health
        if health is None or health is sent:
            return sent
        stats = self.stats
        complete = replace(
            health,
            published=stats.published,
            spool=stats.spooled,
            dropped=stats.dropped,
            message=health.message or stats.error,
        )
        key = self._keys.health(self.camera)
        with client.pipeline(transaction=True) as pipeline:
            pipeline.hset(key, mapping=_flat(asdict(complete)))
            pipeline.expire(key, HEALTH_SECONDS)
            pipeline.execute()
        return health

    def _wait_for_work(self, health_sent: CameraHealth | None) -> None:
        """Waits for a message, a report or the end; while something is spooled, not for long."""

        def work() -> bool:
            last = self._spool.last_position()
            unsent = last is not None and last > self._sent
            return self._closing or unsent or self._health is not health_sent

        with self._changed:
            last = self._spool.last_position()
            spooled = last is not None and last > self._committed
            self._changed.wait_for(work, _POLL_SECONDS if spooled else 1.0)


def _last_progress(spool: Spool) -> Progress | None:
    data = spool.last_progress()
    if data is None:
        return None
    try:
        body = decode(data).body
    except WireError as error:
        raise CamtrailError(
            f"{spool.folder}: written by another version of camtrail ({error}); let that version "
            "finish, or move the folder away"
        ) from None
    assert isinstance(body, Progress)
    return body


def _flat(health: dict[str, object]) -> dict[Any, Any]:
    """As a hash of Redis holds it."""
    return {name: str(value) for name, value in health.items()}
