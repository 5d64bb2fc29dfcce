"""The matcher's side of the bus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from pipeline.bus.connection import BLOCK_SECONDS
from pipeline.bus.keys import Keys, format_position
from pipeline.bus.metrics import DEAD_LETTERS
from pipeline.bus.wire import WireError, decode
from pipeline.records import Envelope, Position
from pipeline.telemetry import get_logger

MAX_DEAD_LETTERS = 1_000
_HEAD_BYTES = 64

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and the stream's id of it, by which it is acknowledged."""

    id: str
    envelope: Envelope


class Consumer:
    """Reads the tracklet stream as the one matcher of the site (hold the `Lease`).

    All methods raise `redis.RedisError` while Redis is away; call `open` again before reading on,
    so that what was delivered on the broken connection is delivered again.

    Args:
        name: this consumer's name within the group.
    """

    def __init__(self, client: redis.Redis, keys: Keys, name: str) -> None:
        self._client = client
        self._keys = keys
        self._name = name
        self._claim_from: str | None = "0-0"
        self.dead_letters = 0  # set aside since the start

    def open(self) -> None:
        """Creates the group where it is missing and begins with what was never acknowledged."""
        try:
            self._client.xgroup_create(self._keys.tracklets, Keys.group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._claim_from = "0-0"

    def read(self, count: int, block_ms: int) -> list[Delivery]:
        """At most ``count`` messages in the order of the stream, first those delivered before and
        never acknowledged; waits at most ``block_ms`` (and 5 s) for new ones. What cannot be
        decoded goes to the dead letters.
        """
        try:
            if self._claim_from is not None:
                claimed = self._claim(count)
                if claimed or self._claim_from is not None:
                    return claimed
            block = max(1, min(block_ms, int(1000 * BLOCK_SECONDS)))
            answer: Any = self._client.xreadgroup(
                Keys.group, self._name, {self._keys.tracklets: ">"}, count=count, block=block
            )
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            log.warning("Redis has lost the consumer group; beginning anew")
            self.open()
            return []
        return self._decoded(entry for _, entries in answer or () for entry in entries)

    def ack(self, ids: Sequence[str]) -> None:
        """Says that the store has committed these messages."""
        if ids:
            self._client.xack(self._keys.tracklets, Keys.group, *ids)

    def announce(self, positions: Mapping[str, Position]) -> None:
        """Says up to where the store has committed each camera's messages."""
        if positions:
            texts: dict[Any, Any] = {camera: format_position(p) for camera, p in positions.items()}
            self._client.hset(self._keys.committed, mapping=texts)

    def trim(self) -> int:
        """Deletes from the stream what is acknowledged, and only that; how many there were."""
        try:
            pending = self._client.xpending(self._keys.tracklets, Keys.group)
            groups = self._client.xinfo_groups(self._keys.tracklets)
        except redis.ResponseError as error:
            if "NOGROUP" in str(error) or "no such key" in str(error):
                return 0
            raise
        own = next(group for group in groups if group["name"] == Keys.group.encode())
        oldest = pending["min"] if pending["pending"] else _after(own["last-delivered-id"])
        trimmed: int = self._client.xtrim(self._keys.tracklets, minid=oldest, approximate=False)
        return trimmed

    def _claim(self, count: int) -> list[Delivery]:
        answer = self._client.xautoclaim(
            self._keys.tracklets,
            Keys.group,
            self._name,
            min_idle_time=0,
            start_id=self._claim_from or "0-0",
            count=count,
        )
        following, entries = _text(answer[0]), answer[1]
        self._claim_from = None if following == "0-0" else following
        gone = [_text(entry_id) for entry_id, fields in entries if fields is None]
        self.ack(gone)  # deleted from the stream; Redis before 7.0 leaves that to us
        return self._decoded(entry for entry in entries if entry[1] is not None)

    def _decoded(self, entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Delivery]:
        deliveries = []
        for entry_id, fields in entries:
            try:
                envelope = decode(fields.get(b"m", b""))
            except WireError as error:
                self._bury(_text(entry_id), fields, str(error))
            else:
                deliveries.append(Delivery(_text(entry_id), envelope))
        return deliveries

    def _bury(self, entry_id: str, fields: Mapping[bytes, bytes], reason: str) -> None:
        head = fields.get(b"m") or b" ".join(fields)
        letter: dict[Any, Any] = {"reason": reason, "id": entry_id, "head": head[:_HEAD_BYTES]}
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(self._keys.dead_letters, letter, maxlen=MAX_DEAD_LETTERS)
            pipeline.xack(self._keys.tracklets, Keys.group, entry_id)
            pipeline.execute()
        self.dead_letters += 1
        DEAD_LETTERS.inc()
        log.warning("message set aside in the dead letters", id=entry_id, reason=reason)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _after(entry_id: Any) -> str:
    """The smallest id behind this one."""
    milliseconds, serial = re.split("-", _text(entry_id))
    return f"{milliseconds}-{int(serial) + 1}"
