"""How the stream stands, and what passes through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import redis

from pipeline.bus.keys import Keys
from pipeline.bus.wire import WireError, decode
from pipeline.records import Envelope

_COUNT = 1000
_BLOCK_MS = 500
_AWAY_SECONDS = 0.02
FIRST_ID = "0-0"  # before every entry


def drained(client: redis.Redis, keys: Keys) -> bool:
    """Whether the matcher has acknowledged all that the stream holds, or there is no stream.

    Raises:
        redis.RedisError: Redis is away.
    """
    try:
        groups = client.xinfo_groups(keys.tracklets)
        last = client.xinfo_stream(keys.tracklets)["last-generated-id"]
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return True
        raise
    ours = [group for group in groups if group["name"] == Keys.group.encode()]
    return any(g["pending"] == 0 and g["last-delivered-id"] == last for g in ours)


def last_id(client: redis.Redis, keys: Keys) -> str:
    """The id of the newest entry, to `listen` from there on.

    Raises:
        redis.RedisError: Redis is away.
    """
    newest = cast(list[Any], client.xrevrange(keys.tracklets, count=1))
    return newest[0][0].decode() if newest else FIRST_ID


def listen(
    client: redis.Redis, keys: Keys, after: str, stop: threading.Event
) -> Iterator[Envelope]:
    """The messages behind an entry as they come, beside the matcher, until ``stop`` is set; one
    that cannot be decoded is left out. A server that is away is waited for.
    """
    behind: bytes | str = after
    while not stop.is_set():
        try:
            found = client.xread({keys.tracklets: behind}, count=_COUNT, block=_BLOCK_MS)
        except redis.RedisError:  # not started yet, restarting, or stopped for good
            stop.wait(_AWAY_SECONDS)
            continue
        for _, entries in cast(list[Any], found):
            for behind, fields in entries:  # noqa: B007 - the last one is where to go on
                try:
                    envelope = decode(fields.get(b"m", b""))
                except WireError:
                    continue
                yield envelope
