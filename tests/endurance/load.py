"""Cameras without pictures: what their workers would say, through the real publisher.

``python -m tests.endurance.load SITE PEOPLE RATE SEED`` publishes for all cameras of a site until
it is stopped, RATE seconds of event time in a second.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.bus import Publisher
from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.matcher.encoder import EncoderFacts, remembered_facts
from pipeline.records import CameraState, Progress, TrackletUpdate
from pipeline.store import Store
from tests.benchmarks.matcher import START
from tests.benchmarks.population import Crowd
from tests.benchmarks.replay import visit
from tests.pipeline.bus.samples import wait_for

Body = TrackletUpdate | Progress
_DIMENSION = 256
_START_SECONDS = 600.0  # much: the machine may be busy
_APART = (15.0, 60.0)  # seconds between two cameras
_STAY = (8.0, 20.0)  # seconds in view


def seconds_of(names: list[str], people: int, seed: int) -> Iterator[tuple[float, dict[str, list]]]:
    """Event time, second by second and for ever, with the updates of each camera until then.

    The people walk from camera to camera, as in `tests.benchmarks.replay`. ``run`` is not theirs.
    """
    rng = np.random.default_rng(seed)
    crowd = Crowd(_DIMENSION, seed)
    persons = crowd.persons(people)
    tracks = dict.fromkeys(names, 0)
    visits = [(float(rng.uniform(0, _APART[1])), n) for n in range(people)]
    heapq.heapify(visits)
    due: list[tuple[float, int, str, TrackletUpdate]] = []
    serial = itertools.count()
    for moment in itertools.count(1):
        while visits[0][0] < moment:
            begin, person = heapq.heappop(visits)
            camera = names[int(rng.integers(len(names)))]
            tracks[camera] += 1
            stay = float(rng.uniform(*_STAY))
            view = crowd.views(persons[person][None])[0]
            for update in visit(camera, tracks[camera], begin, stay, view):
                heapq.heappush(due, (update.end - START, next(serial), camera, update))
            heapq.heappush(visits, (begin + stay + float(rng.uniform(*_APART)), person))
        found: dict[str, list[TrackletUpdate]] = {name: [] for name in names}
        while due and due[0][0] < moment:
            _, _, camera, update = heapq.heappop(due)
            found[camera].append(update)
        yield START + moment, found


class Cameras:
    """A publisher for each camera of a site, whose embeddings are those of its encoder.

    Waits for the matcher to say which that is.
    """

    def __init__(self, site: Site) -> None:
        self._fingerprint = _fingerprint(site)
        self._stack = ExitStack()
        self.publishers = {
            name: self._stack.enter_context(Publisher(site, name)) for name in site.cameras
        }

    def put(self, moment: float, found: dict[str, list[TrackletUpdate]], last: bool = False) -> int:
        """Says what is due, and that all is said up to then; how many updates that were."""
        state = CameraState.ENDED if last else CameraState.RUNNING
        for name, publisher in self.publishers.items():
            own = {"run": publisher.run, "fingerprint": self._fingerprint}
            bodies: list[Body] = [replace(update, **own) for update in found[name]]
            bodies.append(Progress(name, publisher.run, moment, state, live=False))
            publisher.put(bodies)
        return sum(map(len, found.values()))

    def wait_committed(self, seconds: float) -> bool:
        """Whether the store has everything, within so many seconds."""
        until = time.monotonic() + seconds
        return all(
            publisher.wait_committed(max(0.0, until - time.monotonic()))
            for publisher in self.publishers.values()
        )

    def close(self) -> None:
        self._stack.close()


def _fingerprint(site: Site) -> str:
    said: list[EncoderFacts] = []

    def asked() -> bool:
        try:
            with Store.open(site.store_url, read_only=True) as store:
                said.extend(filter(None, [remembered_facts(store)]))
        except CamtrailError:  # no store yet
            return False
        return bool(said)

    assert wait_for(asked, _START_SECONDS), "the matcher did not start"
    return said[0].fingerprint


def publish(
    site: Site, people: int, rate: float, seed: int, stop: threading.Event, cameras: Cameras
) -> None:
    """Until ``stop`` is set; the last word of each camera is that it has ended."""
    due = time.monotonic()
    for moment, found in seconds_of(list(site.cameras), people, seed):
        last = stop.wait(max(0.0, due - time.monotonic()))
        cameras.put(moment, found, last)
        if last:
            return
        due += 1 / rate


def main() -> None:
    path, people, rate, seed = sys.argv[1:]
    site = load_site(Path(path))
    publish(site, int(people), float(rate), int(seed), threading.Event(), Cameras(site))


if __name__ == "__main__":
    main()
