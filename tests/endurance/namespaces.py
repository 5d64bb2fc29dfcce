"""Workers on one host, Redis and matcher on another, and the link between them cut, slow, lossy.

``python -m tests.endurance.namespaces --minutes 10 --cameras 4 --people 12 --rate 2 --json``

Two network namespaces (as root). The link is slow (300 ms each way) for a minute, loses a tenth of
its packets for a minute, and is cut for ``--minutes``; after each it is sound again, and the time
is taken until the store has all that was published before. Cameras have no pictures; publishers,
Redis and matcher are real. ``out of order`` counts updates that were stored behind a later one of
their tracklet.
"""

from __future__ import annotations

import argparse
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline.bus.server import find_server
from pipeline.config import Site, load_site
from tests.endurance.failover import start_matcher, write_site
from tests.endurance.link import SIDES, Link, why_not
from tests.endurance.sampling import folder_bytes
from tests.endurance.table import show
from tests.endurance.verdict import judge
from tests.endurance.world import folder_for
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.live import stored_updates
from tests.pipeline.spools import SpoolReader

_SECONDS = 900.0  # much: the machine may be busy
_PORT = 6379
_SPOOL_MEGABYTES = 64
_SLOW, _LOSSY, _CUT, _SOUND = (0.3, 0.0), (0.005, 0.1), (0.0, 1.0), (0.0, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for which the link is cut")
    parser.add_argument("--spoilt", type=float, default=1, help="minutes slow, minutes lossy")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2, help="seconds of the site in a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps everything here")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    phases = [
        ("slow: 300 ms each way", _SLOW, 60 * given.spoilt),
        ("lossy: a tenth of the packets", _LOSSY, 60 * given.spoilt),
        ("cut", _CUT, 60 * given.minutes),
    ]
    load = [str(given.people), str(given.rate), str(given.seed)]
    with folder_for("namespaces", given.folder) as folder:
        result = two_hosts(folder, given.cameras, load, phases)
    show(result, given.json)


def two_hosts(
    folder: Path,
    cameras: int,
    load: list[str],
    phases: list[tuple[str, tuple[float, float], float]],
) -> dict[str, Any]:
    """Runs it; see the module."""
    path = write_site(folder, cameras, f"redis://{SIDES['b']}:{_PORT}/0")
    path.write_text(path.read_text() + f"spool: {{max_megabytes: {_SPOOL_MEGABYTES}}}\n")
    site = load_site(path)
    reader = SpoolReader(site)
    with ExitStack() as stack:
        link = stack.enter_context(Link())
        there = link.inside("b")
        stack.enter_context(_running([*there, str(find_server()), *_redis(folder)], folder))
        matcher = start_matcher(path, *there)
        stack.callback(matcher.kill)
        here = [*link.inside("a"), sys.executable, "-m", "tests.endurance.load", str(path), *load]
        stack.enter_context(_running(here, folder))
        reader.start()
        assert wait_for(lambda: _stored(site), _SECONDS), "it never began"
        rows = [_phase(site, link, reader, *phase) for phase in phases]
        published = set(reader.updates)
        assert wait_for(lambda: published <= set(_stored(site)), _SECONDS), "it never drained"
        reader.finish()
        matcher.send_signal(signal.SIGTERM)
        matcher.wait(_SECONDS)
    return {**judge(site, published), "out of order": _out_of_order(site), "phases": rows}


def _phase(
    site: Site,
    link: Link,
    reader: SpoolReader,
    name: str,
    state: tuple[float, float],
    seconds: float,
) -> dict[str, Any]:
    link.set(*state)
    until, largest = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        largest = max(largest, folder_bytes(site.spool_dir))
        time.sleep(0.5)
    published = set(reader.updates)
    behind = len(published - set(_stored(site)))
    link.set(*_SOUND)
    began = time.monotonic()
    assert wait_for(lambda: published <= set(_stored(site)), _SECONDS), f"{name}: never drained"
    return {
        "link": name,
        "seconds": seconds,
        "updates behind at its end": behind,
        "largest spools (MB)": round(largest / 1e6, 2),
        "drained after (s)": round(time.monotonic() - began, 1),
    }


def _redis(folder: Path) -> list[str]:
    return [
        *("--bind", SIDES["b"], "--port", str(_PORT), "--protected-mode", "no"),
        *("--dir", str(folder), "--appendonly", "yes"),
    ]


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "processes.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _stored(site: Site) -> list[tuple[str, str, int, int]]:
    try:
        return stored_updates(site)
    except sqlite3.Error:  # not there yet
        return []


def _out_of_order(site: Site) -> int:
    with closing(sqlite3.connect(site.data_dir / "camtrail.sqlite")) as database:
        rows = database.execute("SELECT tracklet, seq FROM updates ORDER BY rowid").fetchall()
    newest: dict[int, int] = {}
    late = 0
    for tracklet, seq in rows:
        late += seq < newest.get(tracklet, 0)
        newest[tracklet] = max(seq, newest.get(tracklet, 0))
    return late


if __name__ == "__main__":
    main()
