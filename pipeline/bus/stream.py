"""How the stream stands."""

from __future__ import annotations

import redis

from pipeline.bus.keys import Keys


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
