"""What the supervisor says of its children."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.supervise.process import Process, State
from pipeline.telemetry.metrics import counter, gauge

RESTARTS = counter("supervisor_restarts", "Starts of a process after its first one.", "child")
QUARANTINED = gauge(
    "supervisor_quarantined", "Whether a process keeps dying and is tried slowly.", "child"
)
RUNNING = gauge("supervisor_running", "Whether a process runs that is to run.", "child")


def tell(processes: Iterable[Process]) -> None:
    """How they are; of those that ended or were stopped nothing."""
    for process in processes:
        if process.state in (State.ENDED, State.STOPPED):
            for metric in (QUARANTINED, RUNNING):
                metric.remove(process.name)
            continue
        RESTARTS.labels(process.name)  # from 0 on, so that the first is seen as one
        QUARANTINED.labels(process.name).set(process.state is State.QUARANTINED)
        RUNNING.labels(process.name).set(process.pid is not None)
