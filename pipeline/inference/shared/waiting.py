"""Requests that wait for a network, and what of them goes together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.inference.shared.messages import Kind


@dataclass(frozen=True, slots=True)
class Load:
    """What a network can take at once.

    Attributes:
        kind: what is to be done with the pictures.
        shape: their height and width.
    """

    kind: Kind
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """``count`` pictures of a camera, in ``slot`` of its memory; ``client`` waits for them."""

    client: object
    number: int
    slot: int
    count: int
    load: Load
    arrived: float = field(default_factory=time.monotonic)


class Waiting:
    """The jobs of all cameras, the first come first; for several threads that take them.

    No camera can fill it: each has no more jobs in it than slots in its memory.

    Args:
        most: pictures of a kind at once, unless one job alone has more.
        patience: seconds that a job waits for others to go with it.
    """

    def __init__(self, most: Mapping[Kind, int], patience: float) -> None:
        self._most = most
        self._patience = patience
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._clients = 0

    def __len__(self) -> int:
        with self._changed:
            return len(self._jobs)

    def expect(self, clients: int) -> None:
        """Says how many there are; where all of them wait, nobody else can come."""
        with self._changed:
            self._clients = clients
            self._changed.notify_all()

    def put(self, job: Job) -> None:
        """Lets a job wait."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()

    def take(self) -> list[Job]:
        """The job that has waited longest, and those that go with it; none after `close`.

        Blocks until there is one.
        """
        with self._changed:
            while not self._closed:
                if not self._jobs:
                    self._changed.wait()
                    continue
                left = self._jobs[0].arrived + self._patience - time.monotonic()
                together = self._together()
                if left <= 0 or self._enough(together):
                    for job in together:
                        self._jobs.remove(job)
                    return together
                self._changed.wait(left)
            return []

    def close(self) -> None:
        """Ends every `take`, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _together(self) -> list[Job]:
        """The jobs of the first one's load, as many as go at once."""
        first = self._jobs[0]
        room = self._most[first.load.kind] - first.count
        together = [first]
        for job in self._jobs:
            if job is not first and job.load == first.load and job.count <= room:
                together.append(job)
                room -= job.count
        return together

    def _enough(self, together: list[Job]) -> bool:
        full = sum(job.count for job in together) >= self._most[together[0].load.kind]
        return full or len({job.client for job in self._jobs}) >= self._clients
