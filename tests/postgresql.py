"""A real PostgreSQL server of the tests' own, with a password, that can be killed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from tests.folders import own_folder
from tests.ports import free_port

USER, DATABASE = "camtrail", "camtrail"
SYSTEM_USER = "postgres"  # of the Debian package: the server refuses to be run by root

# No test cuts the power; kills of the server lose nothing without them.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    "min_wal_size": "2MB",
    "max_connections": "60",
}


def find_programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    plain = shutil.which("initdb")
    return found[-1].parent if found else Path(plain).parent if plain else None


class Server:
    """Started when it is made."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = own_folder("postgresql")  # without it, a server that was left behind ends
        self.data = self._folder / "data"
        self.password = secrets.token_hex(8) + "@/:%"  # has to be quoted in a URL
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        if os.geteuid() == 0:
            shutil.chown(self._folder, SYSTEM_USER, SYSTEM_USER)
        self._initialise()
        self.start()
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")  # type: ignore[call-overload]

    def url(self, database: str = DATABASE) -> str:
        """As `store` in site.yaml takes it."""
        password = quote(self.password, safe="")
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def empty(self) -> str:
        """The URL of a schema in which there is nothing yet."""
        self._schemas += 1
        name = f"site_{os.getpid()}_{self._schemas}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}")  # type: ignore[call-overload]
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def connect(self, database: str = DATABASE) -> psycopg.Connection[tuple[object, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            autocommit=True,
        )

    def start(self) -> None:
        """Starts it, perhaps again, and waits until it answers."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, f"-p{self.port}", *settings],
                stdout=log,
                stderr=log,
                **_as_user(),
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """``kill -9`` of the server and all its processes."""
        assert self._process is not None
        own = psutil.Process(self._process.pid)
        own.suspend()  # a child that it had still forked would go on without it
        while own.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)
        family = [own, *own.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=30)
        self._process.wait(30)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def limit_files(self, process: int, size: str) -> None:
        """Files that one of its processes writes have this many bytes at most."""
        command = ["prlimit", "--pid", str(process), f"--fsize={size}:"]
        subprocess.run(command, check=True, **_as_user())

    def close(self) -> None:
        """Ends it and deletes its files."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        done = subprocess.run(
            [
                self._programs / "initdb",
                *("-D", self.data, "-U", USER, "--pwfile", secret),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--wal-segsize=1"),
                # sorts otherwise than by bytes, as many servers do
                *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"),
            ],
            capture_output=True,
            text=True,
            check=False,
            **_as_user(),
        )
        assert done.returncode == 0, done.stderr


def _as_user() -> dict[str, str]:
    return {"user": SYSTEM_USER, "group": SYSTEM_USER} if os.geteuid() == 0 else {}


@contextmanager
def running_server() -> Iterator[Server | None]:
    """A server for as long as the context lasts; None where PostgreSQL is not installed."""
    programs = find_programs()
    if programs is None:
        yield None
        return
    server = Server(programs)
    try:
        yield server
    finally:
        server.close()
