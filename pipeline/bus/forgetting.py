"""Messages about people who are to be forgotten.

They are stored, or refused, so nobody needs them any more; but the spools keep them until whole
segments of them are committed, and the append-only file of Redis until it is written anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing, suppress

import redis

from pipeline.bus.consumer import Consumer
from pipeline.bus.keys import Keys
from pipeline.bus.runs import spool_folder
from pipeline.bus.spool import Spool
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.records import Position


def forget_messages(site: Site, client: redis.Redis, committed: Mapping[str, Position]) -> None:
    """Has all let go of the messages that are committed: workers that run, wherever they are, the
    spools of those that do not, and Redis, which goes on writing its file for a while.

    Args:
        committed: by camera.

    Raises:
        redis.RedisError: Redis is away.
    """
    keys = Keys(site.site)
    client.incr(keys.forgotten)
    for camera, position in committed.items():
        _wipe(site, camera, position)
    Consumer(client, keys, "forgetting").trim()
    with suppress(redis.ResponseError):  # no append-only file, no right to it, or it is doing so
        client.bgrewriteaof()


def _wipe(site: Site, camera: str, position: Position) -> None:
    """Wipes a spool that no worker has open: one that has does it itself."""
    folder = spool_folder(site, camera)
    if not folder.is_dir():
        return  # on another host, or nowhere
    with suppress(CamtrailError), closing(Spool(folder, sys.maxsize, patience=0.0)) as spool:
        spool.commit(position)
        spool.wipe()
