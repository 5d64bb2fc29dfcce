"""Real Redis servers of a test's own: alone, watched by Sentinels, or in a cluster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline.bus.server import find_server
from tests.pipeline.bus.samples import wait_for
from tests.ports import free_port

CLUSTERED = "--cluster-enabled yes"
NAME = "mymaster"  # of the primary that the Sentinels watch
REPLICA = ("replica", "copies")  # user and password with which servers copy each other
_START_SECONDS = 60.0
_DOWN_AFTER = 500  # milliseconds of silence after which a Sentinel holds a server for dead
_TLS_SERVERS = ("redis-server", "valkey-server", "redis-check-rdb")


def need_tls_server() -> Path:
    """A server that was built with TLS; skips the test where there is none."""
    for name in _TLS_SERVERS:
        path = shutil.which(name)
        if (
            path
            and "libssl" in subprocess.run(["ldd", path], capture_output=True, text=True).stdout
        ):
            return Path(path)
    pytest.skip("needs a Redis with TLS (Debian's redis-tools has its binary)")


class Server:
    """A server on loopback in a folder of its own; may be killed, hung, and started again.

    Args:
        arguments: of its command line; after ``--sentinel`` it is a Sentinel.
        binary: None: what the embedded server uses.
        tls: options of redis-py to reach it.
    """

    def __init__(
        self, folder: Path, *arguments: str, binary: Path | None = None, **tls: Any
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._log = str(folder / "log")
        self._binary = binary or find_server()
        # Else the nodes talk at a port 10,000 higher, which may be taken.
        bus = [f"--cluster-port {free_port()}"] if CLUSTERED in arguments else []
        self._arguments = (*arguments, *bus)
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def beside(self, folder: Path, *arguments: str) -> Server:
        """Another one, reached in the same way; not started."""
        tls = [text for text in self._arguments if text.startswith("--tls")]
        return Server(folder, *arguments, *tls, binary=self._binary, **self._tls)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        config = [str(self.folder / "sentinel.conf")] if "--sentinel" in self._arguments else []
        port = ["--port", "0", "--tls-port"] if self._tls else ["--port"]
        own = [*port, str(self.port), "--dir", str(self.folder), "--logfile", self._log]
        # As redis-server whatever the file is called: Debian's redis-check-rdb is the same binary.
        self._process = subprocess.Popen(
            ["redis-server", *config, *own, *self._arguments],
            executable=self._binary,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_for(self.answers, _START_SECONDS), Path(self._log).read_text()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, protocol=2, **self._tls)

    def command(self, *words: object) -> Any:
        """What it answers."""
        client: Any = self.client()
        try:
            return client.execute_command(*words)
        finally:
            client.close()

    def answers(self) -> bool:
        try:
            return bool(self.command("PING"))
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def leads(self) -> bool:
        """Whether it is a primary."""
        try:
            return bool(self.command("ROLE")[0] == b"master")
        except redis.RedisError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def copies(server: Server) -> bool:
    """Whether it is the replica of another one, and complete."""
    facts: Any = server.client().info("replication")
    return facts["role"] == "slave" and facts["master_link_status"] == "up"


class _Group:
    servers: Sequence[Server]

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.kill()


class Watched(_Group):
    """Two servers, of which one copies the other, and three Sentinels that watch them."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        user, password = REPLICA
        both = [
            "--repl-diskless-sync-delay 0",
            f"--user {user} on >{password} ~* &* +psync +replconf +ping",
            f"--masteruser {user}",
            f"--masterauth {password}",
            "--appendonly yes",
            *arguments,
        ]
        self.pair = [Server(folder / f"server-{n}", *both) for n in range(2)]
        self.sentinels = [self._sentinel(folder / f"sentinel-{n}") for n in range(3)]
        self.servers = [*self.pair, *self.sentinels]
        for server in self.pair:
            server.start()
        self.pair[1].command("REPLICAOF", "127.0.0.1", self.pair[0].port)
        for sentinel in self.sentinels:
            sentinel.start()
        assert wait_for(self.whole, _START_SECONDS)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(s.address for s in self.sentinels)}/{NAME}"

    def primary(self) -> Server:
        """The one that leads, as the Sentinels see it."""
        said = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(server for server in self.pair if server.port == int(said[1]))

    def replica(self) -> Server:
        return self._other(self.primary())

    def whole(self) -> bool:
        """Whether the copy is complete, and every Sentinel knows of all."""
        try:
            return copies(self.replica()) and all(map(self._knows_all, self.sentinels))
        except redis.RedisError:
            return False

    def pause_replication(self) -> None:
        """The replica gets nothing any more, and cannot connect again."""
        primary = self.primary()
        primary.command("ACL", "SETUSER", REPLICA[0], "off")
        primary.command("CLIENT", "KILL", "TYPE", "replica")

    def fail_over(self) -> Server:
        """Kills the primary and waits until the other one leads; the one that is dead."""
        old = self.primary()
        new = self._other(old)
        old.kill()
        assert wait_for(lambda: self.primary() is new and new.leads(), _START_SECONDS)
        return old

    def _other(self, server: Server) -> Server:
        return next(one for one in self.pair if one is not server)

    def _sentinel(self, folder: Path) -> Server:
        server = Server(folder, "--sentinel")
        (folder / "sentinel.conf").write_text(
            f"sentinel monitor {NAME} 127.0.0.1 {self.pair[0].port} 2\n"
            f"sentinel down-after-milliseconds {NAME} {_DOWN_AFTER}\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )
        return server

    def _knows_all(self, sentinel: Server) -> bool:
        words: Any = sentinel.command("SENTINEL", "MASTER", NAME)
        facts = dict(zip(words[::2], words[1::2], strict=True))
        return facts[b"num-slaves"] == b"1" and facts[b"num-other-sentinels"] == b"2"


class Nodes(_Group):
    """A cluster of three primaries, and a replica of the one that serves ``slot``."""

    SLOTS = 16384

    def __init__(self, folder: Path, slot: int, *arguments: str) -> None:
        own = [CLUSTERED, "--cluster-node-timeout 1000", "--appendonly yes"]
        self.servers = [Server(folder / f"node-{n}", *own, *arguments) for n in range(4)]
        for server in self.servers:
            server.start()
        self._join(slot)
        assert wait_for(self.whole, _START_SECONDS)

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(s.address for s in self.servers)}"

    def whole(self) -> bool:
        said = [server.command("CLUSTER", "INFO") for server in self.servers]
        return all(b"cluster_state:ok" in text for text in said)

    def _join(self, slot: int) -> None:
        first, *others = self.servers
        for other in others:
            bus = int(other.client().config_get("cluster-port")["cluster-port"])
            first.command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        edges = [n * self.SLOTS // 3 for n in range(4)]
        for server, begin, end in zip(self.servers, edges, edges[1:], strict=False):
            server.command("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
        self.owner = self.servers[next(n for n in range(3) if slot < edges[n + 1])]
        self.replica = self.servers[3]
        owner: bytes = self.owner.command("CLUSTER", "MYID")
        assert wait_for(lambda: owner in self.replica.command("CLUSTER", "NODES"), _START_SECONDS)
        self.replica.command("CLUSTER", "REPLICATE", owner)
        assert wait_for(lambda: copies(self.replica), _START_SECONDS)
