"""How everybody reaches the site's Redis."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.config import Site, redact_url
from pipeline.errors import CamtrailError

BLOCK_SECONDS = 5.0  # the longest that a read may block
SOCKET_TIMEOUT = 15.0  # seconds; more than the longest block
CONNECT_TIMEOUT = 5.0

_MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, on some systems 104


def connect(
    site: Site, on_connect: Callable[[], None] | None = None, name: str = "camtrail"
) -> redis.Redis:
    """A client of the site's Redis; it connects when it is first used.

    Nothing is retried behind the caller's back: a connection that breaks raises
    `redis.RedisError`, and the next command makes a new one, of which ``on_connect`` is told
    before anything is sent on it (what it raises reaches the caller of the command).

    Raises:
        CamtrailError: the URL cannot be understood.
    """

    def ready(connection: Any) -> None:
        connection.on_connect()
        if on_connect is not None:
            on_connect()

    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "redis_connect_func": ready,
        "client_name": name,
        "protocol": 2,
    }
    if site.redis == "embedded":
        return redis.Redis(unix_socket_path=str(socket_path(site)), **options)
    try:
        return redis.Redis.from_url(site.redis, **options)
    except (ValueError, TypeError):
        raise CamtrailError(
            f"redis: {redact_url(site.redis)} cannot be understood; expected "
            "redis://[USER:PASSWORD@]HOST:PORT/DB (characters such as / or @ in a password are "
            "written %2F, %40)"
        ) from None


def socket_path(site: Site) -> Path:
    """The embedded server's socket, by a short way where the direct one is too long for a socket.

    Raises:
        CamtrailError: the short way belongs to somebody else.
    """
    path = site.redis_socket.absolute()
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:16]
    link = Path("/tmp") / f"camtrail-{os.getuid()}-{digest}"  # noqa: S108 - owner checked below
    try:
        link.symlink_to(path.parent)
    except FileExistsError:
        if link.lstat().st_uid != os.getuid() or not link.is_symlink():
            raise CamtrailError(f"{link} belongs to somebody else; remove it") from None
        if link.readlink() != path.parent:
            raise CamtrailError(f"{link} leads elsewhere; remove it") from None
    return link / path.name
