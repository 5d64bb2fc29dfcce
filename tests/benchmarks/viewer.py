"""How fast the viewer answers over 100,000 identities and 1,000,000 tracklets.

``python -m tests.benchmarks.viewer --json``

A store is filled with people who walk about (`fill`), and `camtrail viewer` runs on it as a program
of its own. Asked one after the other, as a browser does, are pages of the gallery (sorted, filtered
by camera and time, from anywhere in the list), persons with their visits, and searches by a picture
of a simulated person, which the viewer detects and embeds before it searches. Each answer is read
to its end. The target is 300 ms at the 95th percentile; the first answers after the start, when
the viewer reads the store, are printed apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
from sqlalchemy import Connection, create_engine, insert, update

from pipeline.config import Site
from pipeline.inference.encoder import EncoderRuntime
from pipeline.records import Path as TrackPath
from pipeline.store.packing import pack_embedding, pack_path
from pipeline.store.schema import crops, events, identities, meta, tracklets, updates
from tests.pipeline.viewer import filmed

API = "/api/v1"
DAY = 86_400.0
PROTOTYPES = 2  # of an identity
CHUNK = 5_000
RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZA"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=100_000)
    parser.add_argument("--visits", type=int, default=10, help="of each")
    parser.add_argument("--requests", type=int, default=200, help="of each kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = filmed.create(folder, 14.0)
        picture = somebody(site)
        print(f"filling the store with {options.identities} identities", file=sys.stderr)
        fill(site, options.identities, options.visits)
        with viewer(folder / "site.yaml") as address:
            result = measure(address, site, options, picture)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{'':10}{'first':>9}{'median':>9}{'95 %':>9}  ms")
    for kind, figures in result.items():
        print(f"{kind:10}{figures['first']:9.0f}{figures['median']:9.1f}{figures['p95']:9.1f}")


def fill(site: Site, people: int, visits: int) -> None:
    """Adds people who are in random cameras at random times of a month, one after the other."""
    rng = np.random.default_rng(0)
    dimension = EncoderRuntime(site.encoder, 1).dimension
    names = list(site.cameras)
    path = pack_path(TrackPath.of([(0.0, 1, (0, 0, 9, 9))]))
    engine = create_engine(site.store_url)
    with engine.begin() as connection:
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF"):
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        fingerprint = connection.scalar(
            meta.select().with_only_columns(meta.c.value).where(meta.c.key == "fingerprint")
        )
        for first in range(0, people, CHUNK):
            numbers = range(1000 + first, 1000 + min(first + CHUNK, people))
            fill_some(connection, rng, numbers, visits, names, fingerprint or "", dimension, path)
        connection.execute(update(tracklets).where(tracklets.c.open).values(open=False))
    engine.dispose()


def fill_some(
    connection: Connection,
    rng: np.random.Generator,
    numbers: range,
    visits: int,
    names: list[str],
    fingerprint: str,
    dimension: int,
    path: bytes,
) -> None:
    """The rows of some identities."""
    connection.execute(
        insert(identities), [{"id": n, "created_at": 0.0, "in_gallery": True} for n in numbers]
    )
    rows: dict[str, list[dict[str, object]]] = {"t": [], "u": [], "e": [], "c": []}
    for number in numbers:
        starts = np.sort(1.76e9 + rng.random(visits) * 30 * DAY).tolist()
        centre = rng.standard_normal(dimension)
        for index, start in enumerate(starts):
            own, end = number * visits + index, start + 20.0
            key = {"tracklet": own, "seq": 1}
            near = centre + 0.3 * rng.standard_normal(dimension)
            is_prototype = index < PROTOTYPES
            packed = pack_embedding((near / np.linalg.norm(near)).astype(np.float32))
            rows["t"].append(
                {"id": own, "camera": names[int(rng.integers(len(names)))], "run": RUN}
                | {"track": own, "seq": 1, "start": start, "end": end, "crops": 5}
                | {"quality": 0.8, "ended": True, "fingerprint": fingerprint}
                | {"thumbnail_quality": 0.8, "crop": f"{own}.jpg", "open": False}
                | {"prototype": is_prototype, "identity": number, "decided_at": end}
                | {"decision": "matched" if index else "new", "similarity": 0.8}
            )
            rows["u"].append(
                {**key, "start": start, "end": end, "crops": 5, "quality": 0.8, "ended": True}
                | {"embedding": packed if is_prototype else None, "known_at": end, "path": path}
            )
            rows["e"].append(
                {"tracklet": own, "time": end, "decision": "matched" if index else "new"}
                | {"identity": number, "similarity": 0.8, "reason": '{"rule": "alike"}'}
            )
            rows["c"].append({**key, "file": f"{own}.jpg", "time": end, "quality": 0.8})
    for table, name in ((tracklets, "t"), (updates, "u"), (events, "e"), (crops, "c")):
        connection.execute(insert(table), rows[name])


def somebody(site: Site) -> bytes:
    """A frame with people in it, as PNG."""
    camera = next(iter(site.cameras))
    frames = [image for number, image in filmed.frames(site, camera) if number % 20 == 0]
    return cv2.imencode(".png", frames[len(frames) // 2])[1].tobytes()


@contextmanager
def viewer(path: Path) -> Iterator[str]:
    """`camtrail viewer`; gives its address."""
    command = [sys.executable, "-m", "pipeline.cli", "viewer", str(path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rstrip("/")
    finally:
        process.terminate()
        process.wait(30)


def measure(
    address: str, site: Site, options: argparse.Namespace, picture: bytes
) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of request."""
    rng = np.random.default_rng(1)
    names = list(site.cameras)
    sorts = ("last_seen", "first_seen", "visits")

    def gallery() -> None:
        since = 1.76e9 + float(rng.random()) * 29 * DAY
        chosen = int(rng.integers(3))
        values: dict[str, object] = {"sort": sorts[int(rng.integers(3))], "limit": 60}
        if chosen:
            values |= {"camera": names[int(rng.integers(len(names)))]}
        if chosen == 2:
            values |= {"since": since, "until": since + DAY}
        page = json.loads(get(f"{address}{API}/identities?{urlencode(values)}"))
        assert page["identities"]
        if page["next"]:
            get(f"{address}{API}/identities?{urlencode(values | {'after': page['next']})}")

    def trail() -> None:
        number = 1000 + int(rng.integers(options.identities))
        get(f"{address}{API}/identities/{number}")
        visits = json.loads(get(f"{address}{API}/identities/{number}/visits"))
        assert visits["total"] == options.visits

    def search() -> None:
        answer = json.loads(get(f"{address}{API}/search/picture?person=0", picture))
        assert answer["matches"]

    return {
        kind: timed(ask, options.requests)
        for kind, ask in (("gallery", gallery), ("trail", trail), ("search", search))
    }


def get(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=body)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return bytes(answer.read())


def timed(ask: Callable[[], None], count: int) -> dict[str, float]:
    """Milliseconds: of the first, and median and 95th percentile of the others."""
    taken = []
    for _ in range(count + 1):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    first, *others = taken
    return {
        "first": round(first, 1),
        "median": round(float(np.median(others)), 1),
        "p95": round(float(np.quantile(others, 0.95)), 1),
    }


if __name__ == "__main__":
    main()
