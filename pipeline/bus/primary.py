"""Where several Redis servers stand in for each other: which one is the primary now.

Every connection asks anew when it is made, so that the next one after a failover leads to the new
primary. All keys of a site have one hash tag, so in a Redis Cluster too it has one primary at a
time, which serves every command on them as a single server does.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)
from redis.retry import Retry

from pipeline.bus.keys import Keys

Address = tuple[str, int]

_ASK_SECONDS = 2.0  # for one of them to answer
_SCHEME = re.compile(r"redis(s?)\+(sentinel|cluster)")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]/@?]+))(?::([0-9]{1,5}))?")
_PORTS = {"sentinel": 26379, "cluster": 6379}
_LOGIN = {"sentinel_user": "username", "sentinel_password": "password"}
_NOT_HERE = (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)


class Primary(ABC):
    """Finds the primary by asking whoever answers first of ``asked``, in a random order: one that
    is cut off from the others may know an old one.

    Args:
        asked: addresses.
        options: of the connection on which they are asked.
    """

    def __init__(self, asked: Sequence[Address], options: dict[str, Any]) -> None:
        self.asked = tuple(asked)
        self._options = {
            "socket_timeout": _ASK_SECONDS,
            "socket_connect_timeout": _ASK_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            **options,
        }

    def find(self) -> Address:
        """Where it is.

        Raises:
            redis.ConnectionError: nobody knows; it says what each of them said. It is an
                AuthenticationError where all refuse us.
        """
        reasons, refused = [], True
        for address in random.sample(self.asked, len(self.asked)):
            try:
                return self.ask(address)
            except redis.RedisError as error:
                reasons.append(_sentence(error, address))
                refused &= isinstance(error, redis.AuthenticationError)
        kind = redis.AuthenticationError if refused else redis.ConnectionError
        raise kind("; ".join(reasons))

    def ask(self, address: Address) -> Address:
        """What one of them says; raises redis.RedisError."""
        host, port = address
        with closing(redis.Redis(host=host, port=port, **self._options)) as client:
            return self._ask(client, address)

    @abstractmethod
    def _ask(self, client: redis.Redis, address: Address) -> Address:
        """As `ask`, on a client of the one at ``address``."""


class Sentinels(Primary):
    """Several Sentinels, which watch a primary of this name."""

    def __init__(self, asked: Sequence[Address], options: dict[str, Any], name: str) -> None:
        super().__init__(asked, options)
        self.name = name

    def _ask(self, client: redis.Redis, address: Address) -> Address:
        try:
            found = _execute(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        except redis.ResponseError as error:
            if "unknown command" in str(error).lower():
                raise redis.ConnectionError(f"{_text(address)} is no Sentinel") from None
            raise
        if found is None:
            raise redis.ConnectionError(
                f"the Sentinel {_text(address)} knows no primary '{self.name}'"
            )
        return found[0].decode(), int(found[1])


class Cluster(Primary):
    """Several nodes of a Redis Cluster, in which a site's keys lie in one slot."""

    def __init__(self, asked: Sequence[Address], options: dict[str, Any], site: str) -> None:
        super().__init__(asked, options)
        self.slot = key_slot(Keys(site).tracklets.encode())

    def _ask(self, client: redis.Redis, address: Address) -> Address:
        try:
            ranges = _execute(client, "CLUSTER", "SLOTS")
        except redis.ResponseError as error:
            if "cluster support disabled" in str(error):
                raise redis.ConnectionError(f"{_text(address)} is no node of a cluster") from None
            raise
        for first, last, (host, port, *_), *_ in ranges:
            if first <= self.slot <= last:
                return (host.decode() if host else address[0]), int(port)
        raise redis.ConnectionError(
            f"the cluster is down: by {_text(address)}, nobody serves slot {self.slot}"
        )


@dataclass(frozen=True)
class Several:
    """A URL of several servers, as `parse` understands it; ``name`` is that of a Sentinel's
    primary, ``login`` the options to log in there, ``asking`` those to log in at the ones asked.
    """

    kind: str
    tls: bool
    asked: tuple[Address, ...]
    name: str
    login: dict[str, Any] = field(repr=False)
    asking: dict[str, Any] = field(repr=False)


def parse(url: str) -> Several | None:
    """Understands ``redis+sentinel://[USER:PASSWORD@]HOST[:PORT],.../NAME`` (with
    ``?sentinel_user=...&sentinel_password=...`` where the Sentinels ask for it) and
    ``redis+cluster://[USER:PASSWORD@]HOST[:PORT],...``; ``rediss+`` for TLS, also to the Sentinels.

    Returns:
        None for the URL of a single server.

    Raises:
        ValueError: it cannot be understood.
    """
    scheme, _, rest = url.partition("://")
    match = _SCHEME.fullmatch(scheme)
    if match is None:
        return None
    kind = match[2]
    rest, _, query = rest.partition("?")
    user_and_password, _, rest = rest.rpartition("@")
    hosts, _, name = rest.partition("/")
    user, _, password = user_and_password.partition(":")
    login = {"username": unquote(user) or None, "password": unquote(password) or None}
    asking = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    if bool(name) != (kind == "sentinel") or "/" in name:
        raise ValueError("the name of the primary")
    if kind == "cluster" and asking:
        raise ValueError("a query")
    return Several(
        kind,
        tls=bool(match[1]),
        asked=tuple(_address(host, _PORTS[kind]) for host in hosts.split(",")),
        name=unquote(name),
        login={key: value for key, value in login.items() if value is not None},
        asking={_LOGIN[key]: value for key, value in asking.items()},
    )


def primary_of(site: str, several: Several, tls: dict[str, Any]) -> Primary:
    """Who finds the primary of a site.

    Args:
        tls: options of a TLS connection; empty where there is none.
    """
    options = {"ssl": several.tls, **tls}
    if several.kind == "sentinel":
        return Sentinels(several.asked, {**options, **several.asking}, several.name)
    return Cluster(several.asked, {**options, **several.login}, site)


class _Led:
    """A connection to the primary; one that finds itself elsewhere breaks."""

    def __init__(self, primary: Primary, **options: Any) -> None:
        super().__init__(**options)
        self._primary = primary

    def _connect(self) -> Any:
        self.host, self.port = self._primary.find()
        return super()._connect()  # type: ignore[misc]

    def on_connect(self) -> None:
        super().on_connect()  # type: ignore[misc]
        self.send_command("INFO", "replication")  # type: ignore[attr-defined]
        if b"role:master" not in self.read_response():
            raise redis.ConnectionError(f"{_text((self.host, self.port))} is no primary any more")

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except _NOT_HERE as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(
                f"{_text((self.host, self.port))} does not serve this site: {error}"
            ) from None


class LedConnection(_Led, Connection):
    """Without TLS."""


class LedTlsConnection(_Led, SSLConnection):
    """With TLS."""


def _address(text: str, port: int) -> Address:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match[3] or port) < 2**16:
        raise ValueError(text)
    return match[1] or match[2], int(match[3] or port)


def _text(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _execute(client: Any, *command: str) -> Any:
    return client.execute_command(*command)


def _sentence(error: Exception, address: Address) -> str:
    said = str(error).strip().rstrip(".") or type(error).__name__
    return said if _text(address) in said else f"{_text(address)}: {said}"
