"""How metrics are made. Each package has its own in a module ``metrics``.

No metric has a label whose values people, paths or addresses could fill: names of cameras and
receivers come from ``site.yaml``, everything else from the code.
"""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

PREFIX = "camtrail_"
REGISTRY = CollectorRegistry(auto_describe=True)

# Seconds. A decision takes from some milliseconds to the patience of the matcher, and hours where
# Redis was away.
DELAYS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 7200)
WORK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks for


class Described(NamedTuple):
    """A metric: its name as Prometheus knows it, its kind, its labels beside ``site`` and
    ``process``, and what it means.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


DESCRIBED: list[Described] = []  # of the modules that were imported


def counter(name: str, said: str, *labels: str) -> Counter:
    """``camtrail_NAME_total``, of what happened; ``said`` is its help."""
    DESCRIBED.append(Described(f"{PREFIX}{name}_total", "counter", labels, said))
    return Counter(PREFIX + name, said, labels, registry=REGISTRY)


def gauge(name: str, said: str, *labels: str) -> Gauge:
    """``camtrail_NAME``, of how something stands."""
    DESCRIBED.append(Described(PREFIX + name, "gauge", labels, said))
    return Gauge(PREFIX + name, said, labels, registry=REGISTRY)


def histogram(name: str, said: str, *labels: str, buckets: tuple[float, ...] = DELAYS) -> Histogram:
    """``camtrail_NAME``, of how much of something: by default seconds of delay."""
    DESCRIBED.append(Described(PREFIX + name, "histogram", labels, said))
    return Histogram(PREFIX + name, said, labels, registry=REGISTRY, buckets=buckets)


def exposition() -> bytes:
    """All that this process has to say, in Prometheus' text format."""
    return generate_latest(REGISTRY)


HEARTBEAT = gauge(
    "heartbeat_timestamp_seconds", "When the main loop of a process last came round.", "role"
)
ProcessCollector(registry=REGISTRY)
# What that has; it finds it in /proc, so on Linux only.
DESCRIBED += [
    Described("process_cpu_seconds_total", "counter", (), "Processor time of the process."),
    Described("process_resident_memory_bytes", "gauge", (), "Memory of the process."),
    Described("process_virtual_memory_bytes", "gauge", (), "Its address space."),
    Described("process_start_time_seconds", "gauge", (), "When the process started."),
    Described("process_open_fds", "gauge", (), "Files that the process has open."),
    Described("process_max_fds", "gauge", (), "Files that it may open."),
]
