"""How the site is, read from Redis and shown as a table."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable

import redis
from rich.table import Table

from pipeline.bus import Keys, connect, refused_login
from pipeline.bus.metrics import REDIS_UP
from pipeline.config import Site
from pipeline.supervise.process import Process, State
from pipeline.telemetry import get_logger

_READ_SECONDS = 1.0

log = get_logger(__name__)


class Status:
    """Reads the health hashes in its own thread, since Redis may be slow or away."""

    def __init__(self, site: Site) -> None:
        self.workers: dict[str, dict[str, str]] = {}
        self.matcher: dict[str, str] = {}
        self.error = ""
        self._site = site
        self._seen: dict[str, tuple[str, float]] = {}  # process id and when (monotonic), by camera
        self._reachable = math.inf  # since when, monotonic
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read_on, name="status", daemon=True)
        self._thread.start()

    def silent(self, process: Process) -> tuple[float, bool]:
        """For how many seconds this worker has said nothing though Redis could be reached, and
        whether it has said anything since it was started.
        """
        pid, heard = self._seen.get(process.name, ("", 0.0))
        began = pid == str(process.pid)  # else it was a former one, whose hash has not expired
        since = max(process.started, heard if began else 0.0, self._reachable)
        return time.monotonic() - since, began

    def close(self) -> None:
        """Stops reading."""
        self._closing.set()
        self._thread.join()

    def _read_on(self) -> None:
        client = connect(self._site, name="camtrail-run")
        while not self._closing.wait(_READ_SECONDS):
            try:
                self._read(client)
            except redis.RedisError as error:
                REDIS_UP.labels("run").set(0)
                refused = refused_login(error)
                if refused and refused != self.error:
                    log.warning(refused)
                self.error = refused or type(error).__name__
                self._reachable = math.inf
                self.workers = {}
        client.close()

    def _read(self, client: redis.Redis) -> None:
        keys = Keys(self._site.site)
        names = list(self._site.cameras)
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hgetall(keys.health(name))
            pipeline.hgetall(keys.matcher)
            *hashes, matcher = [_decoded(answer) for answer in pipeline.execute()]
        now = time.monotonic()
        self.workers = {name: found for name, found in zip(names, hashes, strict=True) if found}
        self._seen |= {name: (found.get("pid", ""), now) for name, found in self.workers.items()}
        self.matcher = matcher
        self.error = ""
        REDIS_UP.labels("run").set(1)
        self._reachable = min(self._reachable, now)


def table(
    site: Site,
    processes: Iterable[Process],
    matchers: Iterable[Process],
    companions: Iterable[Process],
    status: Status,
) -> Table:
    """The table of live status: a row for each camera, one for each matcher, and one for each
    companion with what it says of itself first: the viewer's address.
    """
    shown = Table(title=f"camtrail: {site.site}", title_justify="left", expand=False)
    for heading in ("camera", "state"):
        shown.add_column(heading)
    for heading in ("fps", "delay", "tracks", "published", "spool", "restarts"):
        shown.add_column(heading, justify="right")
    shown.add_column("message", overflow="fold")
    for process in processes:
        health = status.workers.get(process.name, {}) if process.pid else {}
        shown.add_row(
            process.name,
            health.get("state", str(process.state)),
            _figure(health, "fps", "{:.1f}"),
            _figure(health, "delay", "{:.1f} s"),
            *(health.get(name, "") for name in ("tracks", "published", "spool")),
            str(process.restarts),
            health.get("message") or ("" if process.state is State.RUNNING else process.message),
        )
    shown.add_section()
    empty = [""] * 5
    for matcher in matchers:
        message = _of_matcher(matcher, status)
        shown.add_row(matcher.name, str(matcher.state), *empty, str(matcher.restarts), message)
    for process in companions:
        message = process.announced or process.message
        shown.add_row(process.name, str(process.state), *empty, str(process.restarts), message)
    if status.error:
        shown.caption = f"Redis: {status.error}"
    return shown


_MATCHER = ("identities", "undecided", "waiting", "watermark", "prototypes", "recall", "memory_mb")


def _of_matcher(process: Process, status: Status) -> str:
    """What the matcher that decides says of itself; of another one, that it waits."""
    if process.state is not State.RUNNING:
        return process.message
    if status.matcher.get("pid") not in (None, str(process.pid)):
        return "ready to take over"
    known = ((name, status.matcher.get(name)) for name in _MATCHER)
    return ", ".join(f"{name} {value}" for name, value in known if value)


def _decoded(answer: dict[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode(errors="replace") for key, value in answer.items()}


def _figure(health: dict[str, str], name: str, form: str) -> str:
    return form.format(float(health[name])) if name in health else ""
