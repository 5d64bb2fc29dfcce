"""The matcher with a large gallery: how fast it commits, how late it decides, what it needs.

``python -m tests.benchmarks.matcher --prototypes 10000 100000 --json``

New tracklets go the whole way: real Redis, consumer group, decision, SQLite on disk (every batch
synced), acknowledgement. First as fast as it goes, with all of them waiting in the stream; then at
a steady rate from another process, which gives the delay from publishing to the decision's being in
the store. The gallery and the tracklets are distributed as the demo's encoder distributes people
(see `tests.benchmarks.population`). Raw FAISS searches the same prototypes for as many neighbours,
exactly, with the same one thread, many queries in one call, and does nothing else.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import psutil

from pipeline.bus import EmbeddedServer, Keys, Lease, Publisher, connect
from pipeline.config import Camera, Matcher, Site
from pipeline.config import Topology as Declared
from pipeline.matcher.engine import Engine
from pipeline.matcher.options import NEAREST
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.service import Service
from pipeline.matcher.threads import keep_to_one_thread
from pipeline.matcher.topology import Topology
from pipeline.records import (
    Assignment,
    CameraState,
    Decision,
    FloatArray,
    Progress,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Store, Verdict
from pipeline.telemetry import configure
from tests.benchmarks.population import Population

START = 1_767_600_000.0
FORMER = "01JGFORMER0000000000000000"
FINGERPRINT = "b" * 32
CAMERAS = tuple(f"camera{n}" for n in range(16))
VIEWS = 4  # prototypes of an identity, each in another camera
ACCEPT, NEW = 0.6502, 0.4015  # as the demo's encoder recommends
CHECKED = 8  # neighbours whose finding is checked
RAW = 1000  # queries of the raw search


class TimedStore(Store):
    """Notes when each tracklet's first decision was in the store."""

    def commit(self, batch: Batch) -> None:
        super().commit(batch)
        now = time.monotonic()
        for verdict in batch.outcome.verdicts:
            self.__dict__.setdefault("decided", {}).setdefault(verdict.key, now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prototypes", type=int, nargs="+", default=[40_000])
    parser.add_argument("--updates", type=int, default=3_000, help="in each of the two parts")
    parser.add_argument("--rate", type=float, default=200.0, help="updates a second when paced")
    parser.add_argument("--embeddings", type=Path, help="keeps the demo encoder's here")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    configure("matcher", level="warning")  # the real program writes none of the lines for debugging
    for prototypes in options.prototypes:
        population = Population.of_demo_encoder(1, options.embeddings)
        with tempfile.TemporaryDirectory() as folder:
            result = measure(Path(folder), population, prototypes, options.updates, options.rate)
        if options.json:
            print(json.dumps(result), flush=True)
            continue
        for name, value in result.items():
            print(f"{name:28} {value}", flush=True)


def measure(
    folder: Path, population: Population, prototypes: int, updates: int, rate: float
) -> dict[str, Any]:
    """Nine of ten tracklets are of persons in the gallery, the others of new ones."""
    site = Site(
        site="bench",
        data_dir=folder,
        cameras={name: Camera(source=f"{name}.mp4") for name in CAMERAS},  # type: ignore[call-arg]
    )
    persons = population.persons(prototypes // VIEWS)
    gallery = population.views(np.repeat(persons, VIEWS, axis=0))
    queries = _tracklets(population, persons, 2 * updates)
    with ExitStack() as stack:
        server = EmbeddedServer(site)
        server.start()
        stack.callback(server.stop)
        store = stack.enter_context(TimedStore.open(site.store_url))
        fill(store, gallery)
        gc.collect()
        process = psutil.Process()
        before, began = process.memory_info().rss, time.perf_counter()
        engine = _engine(site, store, prototypes)
        restored = time.perf_counter() - began
        began = time.perf_counter()
        sorted_ = bool(engine.gallery.sort_anew(NEW))
        sorting = time.perf_counter() - began
        recall = _recall(engine, gallery, queries[:RAW])
        seconds, cpu = _flood(site, store, engine, queries[:updates])
        delays = _pace(site, store, engine, queries[updates:], rate)
        memory = process.memory_info().rss - before
        counts = store.counts()
    assert counts.updates == len(gallery) + 2 * updates
    assert (counts.missing, counts.duplicates, counts.undecided) == (0, 0, 0)
    raw = _raw_search(gallery, queries[:RAW]) / RAW
    return {
        "prototypes": len(gallery),
        "updates": updates,
        "identities_after": counts.identities,
        "restore_seconds": round(restored, 2),
        "sorting_seconds": round(sorting, 2) if sorted_ else None,
        "memory_mb": round(memory / 2**20),
        "recall": recall,
        "committed_per_second": round(updates / seconds, 1),
        "cpu_ms_per_update": round(1000 * cpu / updates, 2),
        "raw_faiss_per_second": round(1 / raw, 1),
        "ratio": round(raw * updates / seconds, 3),
        "paced_per_second": rate,
        "delay_median_ms": round(1000 * float(np.median(delays))),
        "delay_p99_ms": round(1000 * float(np.percentile(delays, 99))),
    }


def _tracklets(population: Population, persons: FloatArray, count: int) -> FloatArray:
    rng = np.random.default_rng(2)
    known = persons[rng.integers(0, len(persons), count * 9 // 10)]
    new = population.persons(count - len(known))
    queries = np.concatenate([population.views(known), population.views(new)])
    return queries[rng.permutation(count)]


def _flood(
    site: Site, store: TimedStore, engine: Engine, queries: FloatArray
) -> tuple[float, float]:
    """Seconds and processor seconds for tracklets that wait in the stream."""
    with ExitStack() as stack:
        for n, name in enumerate(CAMERAS):
            publisher = stack.enter_context(Publisher(site, name))
            for group in _groups(publisher, queries[n :: len(CAMERAS)], START):
                publisher.put(group)
            publisher.wait_sent(600)
        began, cpu = time.perf_counter(), time.process_time()
        _serve(site, store, engine)
        return time.perf_counter() - began, time.process_time() - cpu


def _pace(
    site: Site, store: TimedStore, engine: Engine, queries: FloatArray, rate: float
) -> list[float]:
    """Seconds from publishing to the decision's being in the store, of each tracklet."""
    file, ready = site.data_dir / "published.json", site.data_dir / "ready"
    np.save(site.data_dir / "queries.npy", queries)
    context = multiprocessing.get_context("spawn")
    cameras = context.Process(target=publish_steadily, args=(site.data_dir, rate, file, ready))
    cameras.start()
    while not ready.exists():
        time.sleep(0.05)
    _serve(site, store, engine)
    cameras.join()
    published = {TrackletKey(*key): moment for *key, moment in json.loads(file.read_text())}
    decided = store.__dict__["decided"]
    return [decided[key] - moment for key, moment in published.items()]


def publish_steadily(folder: Path, rate: float, file: Path, ready: Path) -> None:
    """All cameras, a group of each at a time; what was published when is written to a file."""
    site = Site(
        site="bench",
        data_dir=folder,
        cameras={name: Camera(source=f"{name}.mp4") for name in CAMERAS},  # type: ignore[call-arg]
    )
    queries = np.load(folder / "queries.npy")
    published = []
    with ExitStack() as stack:
        publishers = [stack.enter_context(Publisher(site, name)) for name in CAMERAS]
        begin = START + 3600
        for p in publishers:
            p.put([Progress(p.camera, p.run, begin, CameraState.STARTING, live=False)])
        for p in publishers:
            p.wait_sent(60)
        rounds = zip(
            *(_groups(p, queries[n :: len(CAMERAS)], begin) for n, p in enumerate(publishers)),
            strict=True,
        )
        ready.touch()
        due = time.monotonic()
        for groups in rounds:
            time.sleep(max(0.0, due - time.monotonic()))
            for publisher, group in zip(publishers, groups, strict=True):
                now = time.monotonic()
                publisher.put(group)
                published += [(*u.key, now) for u in group if isinstance(u, TrackletUpdate)]
            due += sum(len(group) - 1 for group in groups) / rate
        for p in publishers:
            p.wait_committed(600)
    file.write_text(json.dumps(published))


def _serve(site: Site, store: Store, engine: Engine) -> None:
    """Until all that was published is decided."""
    with connect(site) as client:
        keys = Keys(site.site)
        lease = Lease(client, keys)
        lease.acquire()
        try:
            Service(site, client, keys, lease, store, engine).run(threading.Event(), True)
        finally:
            lease.close()


def _recall(engine: Engine, gallery: FloatArray, queries: FloatArray) -> float:
    """Share of the prototypes' identities among the nearest, at or above ``NEW``, that a search
    finds, against a look at all of them.
    """
    whitening = engine.gallery.whitening
    gallery = whitening.apply(gallery, [CAMERAS[n % VIEWS] for n in range(len(gallery))])
    cameras = [CAMERAS[0]] * len(queries)
    queries = whitening.apply(queries, cameras)
    similarities, rows = faiss.knn(queries, gallery, CHECKED, metric=faiss.METRIC_INNER_PRODUCT)
    there = hit = 0
    asked = whitening.ask(queries, cameras)
    asked.shifts[:] = 0.0  # what is added for the cameras, the index cannot know
    found = engine.gallery.search(asked, CHECKED, NEW)
    for own, near, those in zip(similarities, rows, found, strict=True):
        wanted = {int(row) // VIEWS + 1 for row in near[own >= NEW]}
        there += len(wanted)
        hit += len(wanted & set(those.identities))
    return round(hit / there, 5)


def fill(store: Store, gallery: FloatArray, fingerprint: str = FINGERPRINT) -> None:
    """Puts the gallery into the store as a matcher would have left it, an hour ago."""
    for first in range(0, len(gallery), 1000):
        outcome, received = Outcome(START - 3000), []
        for n in range(first, min(first + 1000, len(gallery))):
            view, seen = n % VIEWS, START - 3600 - 30 * (n % VIEWS)
            update = new_update(CAMERAS[view], FORMER, n, seen, gallery[n], fingerprint)
            decision = Decision.MATCHED if view else Decision.NEW
            identity = n // VIEWS + 1
            assignment = Assignment(update.key, identity, decision, 0.0, 0.0, START - 3000)
            received.append(Received(update, update.end))
            outcome.verdicts.append(Verdict(update.key, START - 3000, assignment, None, {}))
            outcome.prototypes[update.key] = True
            outcome.closed.append(update.key)
        store.commit(Batch(received, [], outcome, fingerprint))


def _groups(
    publisher: Publisher, queries: FloatArray, moment: float
) -> list[list[TrackletUpdate | Progress]]:
    """A group a second, of two tracklets each."""
    camera, run = publisher.camera, publisher.run
    groups: list[list[TrackletUpdate | Progress]] = []
    for first in range(0, len(queries), 2):
        updates = [
            new_update(camera, run, first + n, moment, query)
            for n, query in enumerate(queries[first : first + 2])
        ]
        moment += 1.0
        last = first + 2 >= len(queries)
        state = CameraState.ENDED if last else CameraState.RUNNING
        groups.append([*updates, Progress(camera, run, moment, state, live=False)])
    return groups


def new_update(
    camera: str,
    run: str,
    track: int,
    start: float,
    embedding: FloatArray,
    fingerprint: str = FINGERPRINT,
) -> TrackletUpdate:
    """A tracklet of a second in one update."""
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
        fingerprint=fingerprint,
        thumbnail=None,
        thumbnail_quality=0.5,
        ended=True,
    )


def _engine(site: Site, store: Store, prototypes: int) -> Engine:
    config = Matcher(max_identities=2 * prototypes, max_prototypes=2 * prototypes)  # type: ignore[call-arg]
    thresholds = Thresholds.of(config, ACCEPT, NEW)
    topology = Topology(Declared())
    keep_to_one_thread()
    return Engine.restore(
        store.snapshot(), config, thresholds, tuple(site.cameras), topology, FINGERPRINT, True
    )


def _raw_search(gallery: FloatArray, queries: FloatArray) -> float:
    """Seconds for all the queries, the median of three times."""
    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        index.search(queries, NEAREST)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
