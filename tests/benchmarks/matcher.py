"""Updates that the matcher commits a second with a large gallery, against raw FAISS search.

``python -m tests.benchmarks.matcher --json``

New tracklets go the whole way: real Redis, consumer group, decision, SQLite on disk (every batch
synced), acknowledgement. Raw FAISS searches the same queries in the same rows for as many
neighbours, with the same one thread, all queries in one call, and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import faiss
import numpy as np

from pipeline.bus import EmbeddedServer, Keys, Lease, Publisher, connect
from pipeline.config import Camera, Matcher, Site
from pipeline.config import Topology as Declared
from pipeline.matcher.decision import NEAREST
from pipeline.matcher.engine import Engine
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.service import Service
from pipeline.matcher.topology import Topology
from pipeline.records import (
    Assignment,
    CameraState,
    Decision,
    FloatArray,
    Progress,
    TrackletUpdate,
)
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Store, Verdict

START = 1_767_600_000.0
FORMER = "01JGFORMER0000000000000000"
FINGERPRINT = "b" * 32


class Crowd:
    """Embeddings spread as an encoder's are: a common direction, and a spectrum that falls.

    Two persons have a cosine of 0.25 +- 0.1, two tracklets of one about 0.8.
    """

    def __init__(self, dimension: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._scale = (np.arange(1, dimension + 1) ** -0.5).astype(np.float32)
        self._common = self._draw(1)[0] * np.float32(0.58)

    def persons(self, count: int) -> FloatArray:
        return _units(self._common + self._draw(count))

    def views(self, persons: FloatArray) -> FloatArray:
        noise = self._rng.standard_normal(persons.shape).astype(np.float32)
        return _units(persons + 0.5 * _units(noise))

    def _draw(self, count: int) -> FloatArray:
        return _units(
            self._rng.standard_normal((count, len(self._scale))).astype(np.float32) * self._scale
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=10_000)
    parser.add_argument("--updates", type=int, default=3_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(
            Path(folder), options.identities, options.updates, options.dimension, options.cameras
        )
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


def measure(
    folder: Path, identities: int, updates: int, dimension: int, cameras: int
) -> dict[str, float]:
    """Nine of ten tracklets are of persons in the gallery, the others of new ones."""
    names = [f"camera{n}" for n in range(cameras)]
    site = Site(
        site="bench",
        data_dir=folder,
        cameras={name: Camera(source=f"{name}.mp4") for name in names},  # type: ignore[call-arg]
    )
    crowd = Crowd(dimension, 1)
    persons = crowd.persons(identities)
    again = updates * 9 // 10
    rng = np.random.default_rng(2)
    who = rng.permutation(identities)[:again]
    queries = np.concatenate([crowd.views(persons[who]), crowd.persons(updates - again)])
    queries = queries[rng.permutation(updates)]
    gallery = crowd.views(persons)
    with ExitStack() as stack:
        server = EmbeddedServer(site)
        server.start()
        stack.callback(server.stop)
        store = stack.enter_context(Store.open(site.store_url))
        _fill(store, gallery, names)
        began = time.perf_counter()
        engine = _engine(site, store)
        restored = time.perf_counter() - began
        for n, name in enumerate(names):
            _publish(site, name, queries[n::cameras], stack)
        client, keys = connect(site), Keys(site.site)
        lease = Lease(client, keys)
        lease.acquire()
        stack.callback(lease.close)
        service = Service(site, client, keys, lease, store, engine)
        began, cpu = time.perf_counter(), time.process_time()
        service.run(threading.Event(), until_end=True)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        counts = store.counts()
    assert counts.updates == identities + updates
    raw = _raw_search(gallery, queries)
    return {
        "identities": identities,
        "updates": updates,
        "identities_after": counts.identities,
        "restore_seconds": round(restored, 2),
        "committed_per_second": round(updates / seconds, 1),
        "cpu_ms_per_update": round(1000 * cpu / updates, 2),
        "raw_faiss_per_second": round(updates / raw, 1),
        "ratio": round(raw / seconds, 3),
    }


def _fill(store: Store, gallery: FloatArray, cameras: Sequence[str]) -> None:
    """Puts the gallery into the store as a matcher would have left it, an hour ago."""
    for first in range(0, len(gallery), 1000):
        outcome, received = Outcome(START - 3000), []
        for n in range(first, min(first + 1000, len(gallery))):
            camera = cameras[n % len(cameras)]
            update = _update(camera, FORMER, n, START - 3600, gallery[n])
            assignment = Assignment(update.key, n + 1, Decision.NEW, 0.0, 0.0, START - 3000)
            received.append(Received(update, update.end))
            outcome.verdicts.append(Verdict(update.key, START - 3000, assignment, None, {}))
            outcome.prototypes[update.key] = True
            outcome.closed.append(update.key)
        store.commit(Batch(received, [], outcome, FINGERPRINT))


def _publish(site: Site, camera: str, queries: FloatArray, stack: ExitStack) -> None:
    """A group a second, of two tracklets each."""
    publisher = stack.enter_context(Publisher(site, camera))
    moment = START
    for first in range(0, len(queries), 2):
        group = [
            _update(camera, publisher.run, first + n, moment, query)
            for n, query in enumerate(queries[first : first + 2])
        ]
        moment += 1.0
        last = first + 2 >= len(queries)
        state = CameraState.ENDED if last else CameraState.RUNNING
        publisher.put([*group, Progress(camera, publisher.run, moment, state, live=False)])
    publisher.wait_sent(60)


def _update(
    camera: str, run: str, track: int, start: float, embedding: FloatArray
) -> TrackletUpdate:
    points = [(start + i / 10, i + 1, (10 * i, 50, 10 * i + 40, 150)) for i in range(10)]
    return TrackletUpdate(
        camera=camera,
        run=run,
        track=track,
        seq=1,
        start=start,
        end=start + 0.9,
        path=TrackPath.of(points),
        crops=3,
        quality=2.0,
        embedding=embedding,
        fingerprint=FINGERPRINT,
        thumbnail=None,
        thumbnail_quality=0.5,
        ended=True,
    )


def _engine(site: Site, store: Store) -> Engine:
    config = Matcher()  # type: ignore[call-arg]
    thresholds = Thresholds.of(config, 0.6, 0.5)
    topology = Topology(Declared())
    faiss.omp_set_num_threads(1)
    return Engine.restore(
        store.snapshot(), config, thresholds, tuple(site.cameras), topology, FINGERPRINT, True
    )


def _raw_search(gallery: FloatArray, queries: FloatArray) -> float:
    """Seconds for all the queries, the median of five times."""
    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        index.search(queries, NEAREST)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _units(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
