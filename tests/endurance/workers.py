"""Real workers for hours: whether anything grows.

``python -m tests.endurance.workers --minutes 120 --cameras 2 --fps 2 --json``

`camtrail run` on RTSP cameras (Debian's GStreamer), with a Redis under Sentinels, a standby matcher
and the viewer, and nothing is broken. Forty times, memory, file descriptors and threads of each
process, Redis' keys and the disk are read. The store grows with what was seen, since nothing is
forgotten.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import Any

from pipeline.bus import Keys, connect
from tests.endurance.sampling import Sample, folder_bytes, growth, of_process
from tests.endurance.table import show
from tests.endurance.verdict import judge, settled
from tests.endurance.watch import Watch
from tests.endurance.world import Options, World, folder_for
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.camera.rtsp import need_gstreamer
from tests.pipeline.spools import SpoolReader

_SAMPLES = 40
_START_SECONDS = 600.0  # much: the machine may be busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--fps", type=float, default=2)
    parser.add_argument("--inference", choices=("own", "shared"), default="own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps everything here")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    need_gstreamer()
    options = Options(
        given.cameras, given.fps, given.seed, given.minutes, inference=given.inference
    )
    with folder_for("workers", given.folder) as folder:
        show(work(folder, options), given.json)


def work(folder: Path, options: Options) -> dict[str, Any]:
    """Runs it; see the module."""
    with World(folder, options) as world:
        reader = SpoolReader(world.site)
        watch = Watch(world.site.data_dir / "camtrail.sqlite")
        reader.start()
        watch.start()
        began = time.monotonic()
        for camera in world.cameras:
            assert wait_for(lambda c=camera: watch.recovered(c, began, 0.0), _START_SECONDS)
        began, samples = time.monotonic(), []
        for number in range(_SAMPLES + 1):
            due = began + number * 60 * options.minutes / _SAMPLES
            time.sleep(max(0.0, due - time.monotonic()))
            samples.append(_sample(world))
        published = settled(world.site, reader)
        world.run.process.send_signal(signal.SIGINT)
        world.run.process.wait(_START_SECONDS)
        watch.close()
        reader.finish()
        return {
            "minutes": options.minutes,
            "inference": options.inference,
            **judge(world.site, published),
            "figures": growth(samples),
        }


def _sample(world: World) -> Sample:
    client: Any = connect(world.site)
    with client:
        keys, entries = client.dbsize(), client.xlen(Keys(world.site.site).tracklets)
    names = ["matcher", *world.cameras]
    if world.site.inference == "shared":
        names.append("inference")
    processes = [of_process(name, world.pid(name)) for name in names]
    return {
        **{name: value for process in processes for name, value in process.items()},
        "Redis keys": keys,
        "stream entries": entries,
        "spool MB": folder_bytes(world.site.spool_dir) / 1e6,
        "logs MB": folder_bytes(world.site.data_dir / "logs") / 1e6,
        "store MB": sum(p.stat().st_size for p in world.site.data_dir.glob("camtrail.sqlite*"))
        / 1e6,
    }


if __name__ == "__main__":
    main()
