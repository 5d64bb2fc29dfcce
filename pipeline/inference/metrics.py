"""How long the networks of a process take: a worker's own, or what it waits for shared ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.telemetry.metrics import WORK, histogram

T = TypeVar("T")
A = TypeVar("A")

NETWORK_SECONDS = histogram(
    "network_seconds",
    "Seconds until a call of a network (detector, encoder) was answered.",
    "network",
    buckets=WORK,
)


def timed(network: str, call: Callable[[A], T]) -> Callable[[A], T]:
    """``call`` with its time taken."""
    seconds = NETWORK_SECONDS.labels(network)

    def timed_call(argument: A) -> T:
        began = time.perf_counter()
        answer = call(argument)
        seconds.observe(time.perf_counter() - began)
        return answer

    return timed_call
