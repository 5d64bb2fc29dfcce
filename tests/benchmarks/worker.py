"""Frames a second of a camera's worker, against the limit of the same work.

``python -m tests.benchmarks.worker --json``

The worker reads the file as it always does: decoding ahead, detection, tracking, choice of crops,
embedding, publishing to a real Redis server. The limit is a plain loop over the same frames with
the same threads: decode, scale, the bare detector network, and the encoder on the crops that the
worker chose, one after the other and nothing else. It runs in processes of its own, twice: with
threads that sleep while they wait for each other, as a worker sets them for its neighbours' sake,
and with threads that spin, OpenMP's own choice, which is faster where nothing else runs. All are
timed in turn, and the best of each counts: what else runs on the machine only ever slows down.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np

from pipeline import config
from pipeline.bus import EmbeddedServer, Publisher
from pipeline.camera.source import open_source
from pipeline.camera.worker import Worker
from pipeline.inference import threads
from pipeline.inference.detector import Detector
from pipeline.inference.encoder import EncoderRuntime
from pipeline.records import FloatArray, Image
from pipeline.simulate import SiteOptions, simulate_site

CAMERA = "gate"
SPINS = "300000"  # what GNU's OpenMP takes where nothing is set

Batches = Sequence[Sequence[Image]]


class RecordingEncoder(EncoderRuntime):
    """Remembers what it was given."""

    def __init__(self, options: config.Encoder, threads: int) -> None:
        super().__init__(options, threads)
        self.batches: list[Sequence[Image]] = []

    def embed(self, crops: Sequence[Image]) -> FloatArray:
        self.batches.append(crops)
        return super().embed(crops)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="default: a simulated camera of 20 seconds")
    parser.add_argument("--detector", default=str(config.DEMO_DETECTOR))
    parser.add_argument("--encoder", type=Path, default=config.DEMO_ENCODER)
    parser.add_argument("--image-size", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or simulated(Path(folder))
        site = config.Site(
            site="bench",
            data_dir=Path(folder) / "data",
            detector=config.Detector(weights=options.detector, image_size=options.image_size),
            encoder=config.Encoder(path=options.encoder),
            cameras={CAMERA: config.Camera(source=str(video))},
        )
        server = EmbeddedServer(site)
        server.start()
        try:
            result = measure(site, options.rounds)
        finally:
            server.stop()
    if options.json:
        print(json.dumps(result))
    else:
        print(
            "worker: {worker_fps:.2f} frames/s   limit: {limit_fps:.2f} frames/s, "
            "with threads that spin {spinning_limit_fps:.2f}".format(**result)
        )
        print(
            "ratio {ratio:.3f}, to threads that spin {spinning_ratio:.3f} "
            "({frames} frames, {crops} crops, {threads} threads)".format(**result)
        )


def simulated(folder: Path) -> Path:
    """The camera of a simulated site; it is in use all the time."""
    simulate_site(folder, SiteOptions(seed=77, cameras=2, people=8, seconds=20, fps=10))
    return folder / f"{CAMERA}.mp4"


def measure(site: config.Site, rounds: int) -> dict[str, float]:
    mine = threads.share(1)
    threads.apply(mine)
    detector, encoder = Detector(site.detector), RecordingEncoder(site.encoder, mine)
    run_worker(site, detector, encoder)  # once to warm up, and to learn which crops are chosen
    batches = encoder.batches
    worker_seconds, limit_seconds, spinning_seconds, frames = [], [], [], 0
    with limit_process(site, mine, "0") as limit, limit_process(site, mine, SPINS) as spinning:
        limit(batches)
        spinning(batches)
        for _ in range(rounds):
            encoder.batches = []
            seconds, frames = run_worker(site, detector, encoder)
            worker_seconds.append(seconds)
            limit_seconds.append(limit(batches))
            spinning_seconds.append(spinning(batches))
    best = min(worker_seconds)
    return {
        "worker_fps": frames / best,
        "limit_fps": frames / min(limit_seconds),
        "ratio": min(limit_seconds) / best,
        "spinning_limit_fps": frames / min(spinning_seconds),
        "spinning_ratio": min(spinning_seconds) / best,
        "frames": frames,
        "crops": sum(map(len, batches)),
        "threads": mine,
        "rounds": rounds,
    }


def run_worker(site: config.Site, detector: Detector, encoder: EncoderRuntime) -> tuple[float, int]:
    """Seconds and frames of the worker's own loop, from the opening of the file to its end."""
    with closing(Publisher(site, CAMERA)) as publisher:
        began = time.perf_counter()
        with closing(open_source(site.camera(CAMERA), CAMERA)) as source:
            worker = Worker(site, CAMERA, source, detector, encoder, publisher)
            worker.run(threading.Event())
        return time.perf_counter() - began, worker.frames


@contextmanager
def limit_process(
    site: config.Site, share: int, spins: str
) -> Iterator[Callable[[Batches], float]]:
    """A process of its own for the limit: gives the seconds for the crops of a worker."""
    here, there = multiprocessing.Pipe()
    os.environ["GOMP_SPINCOUNT"] = spins  # read where OpenMP is loaded, so only by the new process
    process = multiprocessing.get_context("spawn").Process(
        target=serve_limit, args=(there, site, share), daemon=True
    )
    process.start()
    there.close()

    def seconds(batches: Batches) -> float:
        here.send(batches)
        return float(here.recv())

    try:
        yield seconds
    finally:
        process.terminate()
        process.join()


def serve_limit(connection: Connection, site: config.Site, share: int) -> None:
    threads.apply(share)
    detector, encoder = Detector(site.detector), EncoderRuntime(site.encoder, share)
    while True:
        connection.send(limit(site, detector, encoder, connection.recv()))


def limit(
    site: config.Site, detector: Detector, encoder: EncoderRuntime, batches: Batches
) -> float:
    """Seconds of the plain loop."""
    began = time.perf_counter()
    video = cv2.VideoCapture(site.camera(CAMERA).source, cv2.CAP_FFMPEG)
    while True:
        ok, image = video.read()
        if not ok:
            break
        picture = np.asarray(image, np.uint8)
        detector.forward(detector.letterbox(picture).apply(picture)[None])
    for batch in batches:
        encoder.embed(batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
