"""What counting costs: processor time a frame and a group of updates, and of an answer.

``python -m tests.benchmarks.telemetry``
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.bus.metrics import PublisherCounts
from pipeline.camera.metrics import FrameCounts, WorkerCounts
from pipeline.config import Camera, Site
from pipeline.inference.metrics import timed
from pipeline.records import CameraState, Position, Progress
from pipeline.telemetry import traces
from pipeline.telemetry.answer import answering
from pipeline.telemetry.gather import gather
from pipeline.telemetry.metrics import exposition

FRAMES = 200_000
GROUPS = 20_000
ANSWERS = 50


def processor_time(work: Callable[[], object], times: int) -> float:
    """Microseconds of processor time of one."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def frame() -> Callable[[], None]:
    """All that is counted of one frame of a live camera, its network with it."""
    counts, worker = FrameCounts("gate"), WorkerCounts("gate", "f" * 16)
    detect = timed("detector", lambda _: None)

    def count() -> None:
        counts.received.inc()
        counts.decoded.inc()
        detect(None)
        worker.seen.inc()
        worker.detections.inc(3)
        worker.crops.inc(1)

    return count


def group() -> Callable[[], None]:
    """All that is counted of what a second of capture time publishes."""
    counts = PublisherCounts("gate", 2**28)
    covered = Progress("gate", "r", time.time(), CameraState.RUNNING, True)
    number = 0

    def count() -> None:
        nonlocal number
        number += 1
        counts.put([covered], Position("r", number))
        counts.spooled(number, number, False)
        traces.record("update", traces.Place(1, 1), 0.0, 1.0, {})  # off
        counts.sent(1, Position("r", number), time.time())

    return count


def main() -> None:
    print(f"a frame: {processor_time(frame(), FRAMES):.2f} us of processor time")
    print(f"a group of updates: {processor_time(group(), GROUPS):.2f} us")
    print(f"an answer of one process: {processor_time(exposition, ANSWERS) / 1000:.2f} ms")
    with tempfile.TemporaryDirectory() as folder:
        site = Site(site="yard", data_dir=Path(folder), cameras={"gate": Camera(source="0")})
        with answering(site.data_dir, "worker-gate"):
            taken = processor_time(lambda: gather(site), ANSWERS) / 1000
        print(f"gathering it, with its answer: {taken:.2f} ms")


if __name__ == "__main__":
    main()
