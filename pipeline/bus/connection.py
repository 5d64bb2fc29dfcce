"""How everybody reaches the site's Redis."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.bus.metrics import CONNECTIONS
from pipeline.bus.primary import (
    LedConnection,
    LedTlsConnection,
    Primary,
    Several,
    parse,
    primary_of,
)
from pipeline.config import Site, redact, redact_url
from pipeline.errors import CamtrailError

BLOCK_SECONDS = 5.0  # the longest that a read may block
SOCKET_TIMEOUT = 15.0  # seconds; more than the longest block
CONNECT_TIMEOUT = 5.0

_TLS = {"ssl_ca_certs": "authority", "ssl_certfile": "certificate", "ssl_keyfile": "key"}
_REFUSED = (redis.AuthenticationError, redis.exceptions.NoPermissionError)
_MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, on some systems 104


def connect(
    site: Site, on_connect: Callable[[], None] | None = None, name: str = "camtrail"
) -> redis.Redis:
    """A client of the site's Redis; it connects when it is first used.

    Nothing is retried behind the caller's back: a connection that breaks raises
    `redis.RedisError`, and the next command makes a new one, of which ``on_connect`` is told
    before anything is sent on it (what it raises reaches the caller of the command).

    Raises:
        CamtrailError: the URL cannot be understood, or a file of ``redis_tls`` is not there.
    """

    def ready(connection: Any) -> None:
        connection.on_connect()
        CONNECTIONS.inc()
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
    tls = _tls(site)
    several = _several(site)
    if several is None:
        try:
            return redis.Redis.from_url(site.redis, **tls, **options)
        except (ValueError, TypeError):
            raise _not_understood(site) from None
    primary = primary_of(site.site, several, tls)
    connection = LedTlsConnection if several.tls else LedConnection
    pool = redis.ConnectionPool(connection, primary=primary, **tls, **several.login, **options)
    return redis.Redis.from_pool(pool)


def reason_of(error: Exception) -> str:
    """What an error says, without the command and its data, and without passwords."""
    return redact(str(error).rpartition(" caused error: ")[2]) or type(error).__name__


def refused_login(error: Exception) -> str:
    """What to say where Redis refuses us, which no waiting mends; "" where it is another error."""
    if not isinstance(error, _REFUSED):
        return ""
    return f"Redis refuses the user or password of `redis:` in site.yaml ({reason_of(error)})"


def check_login(site: Site) -> None:
    """Asks Redis once; one that is away is waited for elsewhere.

    Raises:
        CamtrailError: it refuses the user or password.
    """
    with contextlib.closing(connect(site)) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            if said := refused_login(error):
                raise CamtrailError(said) from None


def primary(site: Site) -> Primary | None:
    """Whom to ask for the primary; None where there is one server only.

    Raises:
        CamtrailError: the URL cannot be understood, or a file of ``redis_tls`` is not there.
    """
    several = _several(site)
    return None if several is None else primary_of(site.site, several, _tls(site))


def _several(site: Site) -> Several | None:
    try:
        return parse(site.redis)
    except (ValueError, KeyError):
        raise _not_understood(site) from None


def _not_understood(site: Site) -> CamtrailError:
    expected = "redis://[USER:PASSWORD@]HOST:PORT/DB"
    if "+sentinel:" in site.redis:
        expected = "redis+sentinel://[USER:PASSWORD@]HOST:26379,HOST:26379/NAME"
    elif "+cluster:" in site.redis:
        expected = "redis+cluster://[USER:PASSWORD@]HOST:6379,HOST:6379"
    return CamtrailError(
        f"redis: {redact_url(site.redis)} cannot be understood; expected {expected} (characters "
        "such as / or @ in a password are written %2F, %40)"
    )


def _tls(site: Site) -> dict[str, Any]:
    """Options of redis-py.

    Raises:
        CamtrailError: one of the files is not there.
    """
    options = {
        name: getattr(site.redis_tls, field)
        for name, field in _TLS.items()
        if getattr(site.redis_tls, field) is not None
    }
    for name, path in options.items():
        if not path.is_file():
            raise CamtrailError(f"redis_tls.{_TLS[name]}: {path}: no such file")
    return {name: str(path) for name, path in options.items()}


def socket_path(site: Site) -> Path:
    """The embedded server's socket, by a short way where the direct one is too long for a socket.

    Raises:
        CamtrailError: the short way belongs to somebody else.
    """
    path = site.redis_socket.absolute()
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    link = _short_way(path.parent)
    try:
        link.symlink_to(path.parent)
    except FileExistsError:
        if link.lstat().st_uid != os.getuid() or not link.is_symlink():
            raise CamtrailError(f"{link} belongs to somebody else; remove it") from None
        if link.readlink() != path.parent:
            raise CamtrailError(f"{link} leads elsewhere; remove it") from None
    return link / path.name


def remove_short_way(site: Site) -> None:
    """Removes what `socket_path` made, if it did; whoever asks for it next makes it again."""
    folder = site.redis_socket.absolute().parent
    link = _short_way(folder)
    with contextlib.suppress(OSError):  # there is none, or it is somebody else's
        if link.readlink() == folder:
            link.unlink()


def _short_way(folder: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"camtrail-{os.getuid()}-{digest}"  # noqa: S108 - owner is checked
