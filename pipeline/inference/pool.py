"""The detector beside its caller, on several pictures at once where they wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from pipeline.inference.metrics import timed
from pipeline.records import Detections, Image


class PersonDetector(Protocol):
    """What finds persons, here or elsewhere; for any number of threads at once.

    Attributes:
        at_once: how many calls of `detect` at a time keep it at work.
    """

    @property
    def at_once(self) -> int: ...

    def share(self, networks: int) -> Callable[[], None]:
        """What each of so many threads calls first, to have its part of the processor."""
        ...

    def detect(self, images: Sequence[Image]) -> list[Detections]: ...


class DetectorPool:
    """Runs a detector in threads of its own, within the number that torch was given.

    The pictures of a file wait, so several networks run at once, each with its share of the
    threads: threads in one network wait for each other at every layer (measured on two cores:
    36 ms a picture, not 25). Of a live camera only the newest picture counts; there, and on a
    GPU, one network has all threads.

    Args:
        live: whether the pictures come on the clock.

    Attributes:
        ahead: how many calls of `begin` keep all networks at work while the caller does
            something else; 0 where a picture begun ahead would not be the newest.
    """

    def __init__(self, detector: PersonDetector, live: bool) -> None:
        self._detect = timed("detector", detector.detect)
        networks = 1 if live else detector.at_once
        self.ahead = 0 if live else networks
        self._threads = ThreadPoolExecutor(networks, "detect", detector.share(networks))

    def begin(self, images: Sequence[Image]) -> Future[list[Detections]]:
        """`Detector.detect` of the pictures, as soon as a network is free."""
        return self._threads.submit(self._detect, images)

    def close(self) -> None:
        """Waits for what is being worked on, and drops what has only been begun."""
        self._threads.shutdown(cancel_futures=True)
