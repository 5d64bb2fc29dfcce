"""One fault after the other on a site that runs: what it costs, and whether anything is lost.

``python -m tests.endurance.chaos --minutes 60 --cameras 4 --every 10 --seed 1 --json``

The real `camtrail run` with shared inference, a standby matcher and the viewer, on RTSP cameras
(Debian's GStreamer) behind relays, with a Redis under three Sentinels; as root, its data lie on a
small disk of their own that can be filled and, by FUSE, made read-only, and where Debian's faketime
is installed, its clock is put forward and back. Faults come in a random order, each as often as the
others. Recovery is the time from a fault's end (of a death: from the death) until the store has new
frames of all cameras that were captured after it. A pause is the longest time meanwhile without new
frames of a camera that the fault did not concern.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.endurance import verdict
from tests.endurance.faults import Fault, all_of
from tests.endurance.table import show, spread
from tests.endurance.watch import Watch
from tests.endurance.world import Options, World, folder_for
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.camera.rtsp import need_gstreamer
from tests.pipeline.spools import SpoolReader

_START_SECONDS = 900.0  # much: the machine may be busy
_RECOVERY_SECONDS = 300.0  # after which a fault counts as not recovered from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--every", type=float, default=10, help="seconds from fault to fault")
    parser.add_argument("--fps", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="faults whose name has this in it")
    parser.add_argument("--folder", type=Path, help="keeps everything here")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    need_gstreamer()
    options = Options(given.cameras, given.fps, given.seed, given.minutes)
    with folder_for("chaos", given.folder) as folder:
        show(chaos(folder, options, given.every, given.only or ""), given.json)


def chaos(folder: Path, options: Options, every: float, only: str = "") -> dict[str, Any]:
    """Runs it; see the module."""
    with World(folder, options) as world:
        watch = Watch(world.site.data_dir / "camtrail.sqlite")
        reader = SpoolReader(world.site)
        watch.start()
        reader.start()
        assert _all_recovered(world, watch, time.monotonic(), _START_SECONDS), "it never began"
        began = time.monotonic()
        notes = _inflict(world, watch, began + 60 * options.minutes, every, only)
        minutes = (time.monotonic() - began) / 60
        published = verdict.settled(world.site, reader)
        world.run.process.send_signal(signal.SIGINT)
        world.run.process.wait(_START_SECONDS)
        watch.close()
        reader.finish()
        result = verdict.judge(world.site, published)
    return {
        "minutes": round(minutes, 1),
        "cameras": options.cameras,
        "faults inflicted": sum(len(row["recoveries"]) for row in notes.values()),
        **result,
        "faults": [
            {
                "fault": name,
                "times": len(row["recoveries"]),
                **{f"recovery {k}": v for k, v in spread(_numbers(row["recoveries"])).items()},
                "never": sum(seconds is None for seconds in row["recoveries"]),
                "others' pause": spread(row["pauses"])["worst"],
            }
            for name, row in sorted(notes.items())
        ],
    }


def _inflict(
    world: World, watch: Watch, until: float, every: float, only: str
) -> dict[str, dict[str, list[Any]]]:
    """By the fault's name, how long each recovery took and how long others paused."""
    notes: defaultdict[str, dict[str, list[Any]]] = defaultdict(
        lambda: {"recoveries": [], "pauses": []}
    )
    waiting: list[Fault] = []
    while time.monotonic() < until:
        if not waiting:
            waiting = [fault for fault in all_of(world) if only in fault.name]
            world.rng.shuffle(waiting)
        fault, camera = waiting.pop(), world.rng.choice(list(world.cameras))
        began = time.monotonic()
        since = fault.inflict(world, camera)
        took = _all_recovered(world, watch, since, _RECOVERY_SECONDS)
        notes[fault.name]["recoveries"].append(took)
        now = time.monotonic()
        if fault.local:
            others = [name for name in world.cameras if name != camera]
            notes[fault.name]["pauses"] += [watch.pause(name, began, now) for name in others]
        print(f"{fault.name} ({camera}): {took}", file=sys.stderr, flush=True)
        time.sleep(max(0.0, began + every - now))
    return notes


def _all_recovered(world: World, watch: Watch, since: float, limit: float) -> float | None:
    """Seconds until the slowest camera was back; None: it never was."""
    moment = time.time() - (time.monotonic() - since) + world.shift

    def slowest() -> float | None:
        took = [watch.recovered(camera, since, moment) for camera in world.cameras]
        return None if None in took else max(seconds for seconds in took if seconds is not None)

    wait_for(lambda: slowest() is not None, limit)
    return slowest()


def _numbers(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


if __name__ == "__main__":
    main()
