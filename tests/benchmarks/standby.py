"""How long nobody decides when the matcher is killed and another one stands by.

``python -m tests.benchmarks.standby --prototypes 10000 --json``

Two real matchers, ``kill -9`` for the one that decides, and then the seconds until an update that
was published at that moment is in the store with its decision. On one data directory, as with
``matcher.standby``, and as two hosts with a directory each, which share Redis and store.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from pipeline.bus import EmbeddedServer, Publisher
from pipeline.config import DEMO_ENCODER, load_site
from pipeline.matcher.encoder import encoder_facts
from pipeline.matcher.exclusive import READY
from pipeline.records import CameraState, FloatArray, Progress
from pipeline.store import Store
from tests.benchmarks.matcher import CAMERAS, START, VIEWS, fill, new_update
from tests.benchmarks.population import Population


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prototypes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--embeddings", type=Path, help="keeps the demo encoder's here")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    population = Population.of_demo_encoder(1, options.embeddings)
    for hosts in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            seconds = measure(Path(folder), population, hosts, options.prototypes, options.kills)
        result = {
            "data_directories": hosts,
            "prototypes": options.prototypes,
            "seconds": [round(s, 2) for s in seconds],
            "longest": round(max(seconds), 2),
        }
        print(json.dumps(result) if options.json else result, flush=True)


def measure(
    folder: Path, population: Population, hosts: int, prototypes: int, kills: int
) -> list[float]:
    """Seconds without decisions, of each kill."""
    places = [_site(folder, f"host{n}") for n in range(hosts)]
    site = load_site(places[0])
    persons = population.persons(prototypes // VIEWS)
    views = population.views(persons.repeat(VIEWS, axis=0))
    with ExitStack() as stack:
        server = EmbeddedServer(site.model_copy(update={"redis": "embedded"}))
        server.start()
        stack.callback(server.stop)
        with Store.open(site.store_url) as store:
            fingerprint = encoder_facts(site, store).fingerprint
            fill(store, views, fingerprint)
        publisher = stack.enter_context(Publisher(site, CAMERAS[0]))
        queries = population.views(persons[: kills + 1])
        running = [_start(places[0], stack)]
        _publish(publisher, queries[0], 0, fingerprint)  # the first decides
        seconds = []
        for turn in range(kills):
            running.append(_start(places[(turn + 1) % hosts], stack))
            _wait_until_ready(running[-1][1])
            running.pop(0)[0].kill()
            began = time.monotonic()
            _publish(publisher, queries[turn + 1], turn + 1, fingerprint)
            seconds.append(time.monotonic() - began)
        with Store.open(site.store_url, read_only=True) as store:
            counts = store.counts()
        expected = (len(views) + kills + 1, 0, 0, 0)
        assert (counts.updates, counts.missing, counts.duplicates, counts.undecided) == expected
    return seconds


def _site(folder: Path, host: str) -> Path:
    data = folder / host
    data.mkdir()
    text = {
        "site": "bench",
        "data_dir": str(data),
        "store": f"sqlite:///{folder / 'host0' / 'camtrail.sqlite'}",
        "redis": f"unix://{folder / 'host0' / 'redis' / 'redis.sock'}",
        "encoder": {"path": str(DEMO_ENCODER)},
        "cameras": {CAMERAS[0]: {"source": "none.mp4"}},
    }
    (data / "site.yaml").write_text(yaml.safe_dump(text))
    return data / "site.yaml"


def _start(file: Path, stack: ExitStack) -> tuple[subprocess.Popen[bytes], Path]:
    log = file.with_name(f"matcher-{time.monotonic_ns()}.log")
    command = [sys.executable, "-m", "pipeline.cli", "matcher", str(file), "--standby"]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--json-logs"], stdout=output, stderr=output)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process, log


def _wait_until_ready(log: Path) -> None:
    while READY not in log.read_text():
        time.sleep(0.05)


def _publish(publisher: Publisher, query: FloatArray, turn: int, fingerprint: str) -> None:
    """One tracklet; returns when it is decided and in the store."""
    moment = START + 10.0 * turn
    update = new_update(CAMERAS[0], publisher.run, turn, moment, query, fingerprint)
    done = Progress(CAMERAS[0], publisher.run, moment + 2, CameraState.RUNNING, live=False)
    publisher.put([update, done])
    assert publisher.wait_committed(120)


if __name__ == "__main__":
    main()
