"""Many hours of tracklet updates through the real bus, matcher and store, as fast as they go.

``python -m tests.endurance.day --hours 24 --cameras 12 --people 24 --json``

Cameras without pictures publish what workers would say of people who walk from one to the other (as
in `tests.benchmarks.replay`); the real matcher is a process of its own. Whenever a fortieth of the
time is through, memory, file descriptors and threads of the matcher, of the publishers and of
Redis, the keys and the stream in Redis, spool and store are read. What may not grow is compared:
the largest value after the first tenth against that at its end. The store grows with what was seen,
since nothing is forgotten; how much an hour is said.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from pipeline.bus import EmbeddedServer, Keys, connect
from pipeline.config import Site, load_site
from pipeline.records import TrackletUpdate
from tests.endurance.failover import start_matcher, write_site
from tests.endurance.load import Cameras, seconds_of
from tests.endurance.sampling import Sample, folder_bytes, growth, of_process
from tests.endurance.table import show
from tests.endurance.verdict import judge
from tests.endurance.world import folder_for
from tests.pipeline.bus.samples import wait_for

_SAMPLES = 40
_SECONDS = 600.0
_TRIMMED_SECONDS = 10.0  # the matcher trims the stream once a second
_TOGETHER = 10  # seconds of event time that are put at once
_AHEAD = 300  # that may be under way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--cameras", type=int, default=12)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps everything here")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with folder_for("day", given.folder) as folder:
        path = write_site(folder, given.cameras, "embedded")
        result = day(path, int(3600 * given.hours), given.people, given.seed)
    show(result, given.json)


def day(path: Path, seconds: int, people: int, seed: int) -> dict[str, Any]:
    """Runs it; see the module."""
    site = load_site(path)
    server = EmbeddedServer(site)
    server.start()
    matcher = start_matcher(path)
    cameras = Cameras(site)
    began, samples, updates = time.monotonic(), [], 0
    due: dict[str, list[TrackletUpdate]] = {name: [] for name in site.cameras}
    try:
        for second, (moment, found) in enumerate(seconds_of(list(site.cameras), people, seed), 1):
            for camera, own in found.items():
                due[camera] += own
            if second % _TOGETHER and second != seconds:
                continue
            updates += cameras.put(moment, due, last=second == seconds)
            due = {name: [] for name in site.cameras}
            if second % _AHEAD == 0 or second == seconds:
                assert cameras.wait_committed(_SECONDS), "something was never committed"
            if second == seconds:
                wait_for(lambda: _entries(site) == 0, _TRIMMED_SECONDS)  # the sample says if not
            if second * _SAMPLES // seconds > len(samples):
                samples.append(_sample(site, server, matcher.pid))
            if second == seconds:
                break
        took = time.monotonic() - began
        assert matcher.wait(_SECONDS) == 0
    finally:
        matcher.kill()
        cameras.close()
        server.stop()
    store = [sample["store MB"] for sample in samples]
    return {
        "event time (h)": round(seconds / 3600, 2),
        "took (s)": round(took, 1),
        "updates a second": round(updates / took),
        "store, MB an hour": round(3600 * (store[-1] - store[0]) / seconds, 1),
        **judge(site, updates),
        "figures": growth(samples),
    }


def _entries(site: Site) -> int:
    client: Any = connect(site)
    with client:
        return int(client.xlen(Keys(site.site).tracklets))


def _sample(site: Site, server: EmbeddedServer, matcher: int) -> Sample:
    client: Any = connect(site)
    with client:
        keys = client.dbsize()
    assert server.pid is not None
    return {
        **of_process("matcher", matcher),
        **of_process("publishers", None),
        **of_process("Redis", server.pid),
        "Redis keys": keys,
        "stream entries": _entries(site),
        "Redis files MB": folder_bytes(site.redis_socket.parent) / 1e6,
        "spool MB": folder_bytes(site.spool_dir) / 1e6,
        "store MB": sum(p.stat().st_size for p in site.data_dir.glob("camtrail.sqlite*")) / 1e6,
    }


if __name__ == "__main__":
    main()
