"""Frames a second of a camera's worker, against the limit of the same work.

``python -m tests.benchmarks.worker --json``

The worker reads the file as it always does: decoding ahead, detection, tracking, choice of crops,
embedding, publishing to a real Redis server. The limit is a plain loop over the same frames with
the same threads: decode, scale, the bare detector network, and the encoder on the crops that the
worker chose, one after the other and nothing else. There are three, each in a process of its own:
ultralytics' network in torch with threads that sleep while they wait for each other and with
threads that spin, OpenMP's own choice, which is faster where nothing else runs; and where the
worker runs an export of the network, that one in onnxruntime as it comes, whose threads spin too.
All are timed in turn, and what counts is the median over the rounds of the ratio within each: what
else runs on the machine changes from one round to the next.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

from pipeline import config
from pipeline.bus import EmbeddedServer, Publisher
from pipeline.camera.source import open_source
from pipeline.camera.worker import Worker
from pipeline.inference import threads
from pipeline.inference.detector import Detector
from pipeline.inference.encoder import EncoderRuntime
from pipeline.inference.exported import exported_once
from pipeline.inference.letterbox import Letterbox
from pipeline.inference.runtimes import Network
from pipeline.inference.runtimes.onnx import OnnxNetwork
from pipeline.inference.runtimes.pytorch import TorchNetwork
from pipeline.inference.weights import find_weights
from pipeline.records import FloatArray, Image
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.telemetry import configure

CAMERA = "gate"
SPINS = "300000"  # what GNU's OpenMP takes where nothing is set
CPU = torch.device("cpu")
LIMITS = {  # what OpenMP's threads do, and whether an export of the network runs
    "sleeping": ("0", False),
    "spinning": (SPINS, False),
    "exported": (SPINS, True),
}
WORDS = {
    "sleeping": "ultralytics' network, threads that sleep",
    "spinning": "ultralytics' network, threads that spin",
    "exported": "its export in onnxruntime, threads that spin",
}

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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    configure("worker", level="warning")  # no line of a log among the figures
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
        print(report(result))


def report(result: dict[str, float]) -> str:
    lines = ["worker: {worker_fps:.2f} frames/s".format(**result)]
    lines += [
        f"  limit, {words}: {result[f'{name}_fps']:.2f} frames/s, ratio "
        f"{result[f'{name}_ratio']:.3f} ({result[f'{name}_least']:.3f} to "
        f"{result[f'{name}_most']:.3f})"
        for name, words in WORDS.items()
    ]
    lines.append(
        "({frames} frames, {crops} crops, {threads} threads, {rounds} rounds)".format(**result)
    )
    return "\n".join(lines)


def simulated(folder: Path) -> Path:
    """The camera of a simulated site; it is in use all the time."""
    simulate_site(folder, SiteOptions(seed=77, cameras=2, people=8, seconds=20, fps=10))
    return folder / f"{CAMERA}.mp4"


def measure(site: config.Site, rounds: int) -> dict[str, float]:
    mine = threads.share(1)
    threads.apply(mine)
    detector, encoder = Detector(site.detector, mine), RecordingEncoder(site.encoder, mine)
    run_worker(site, detector, encoder)  # once to warm up, and to learn which crops are chosen
    batches = encoder.batches
    seconds: dict[str, list[float]] = {name: [] for name in ("worker", *LIMITS)}
    frames = 0
    with contextlib.ExitStack() as stack:
        limits = {
            name: stack.enter_context(limit_process(site, mine, *kind))
            for name, kind in LIMITS.items()
        }
        for limit in limits.values():
            limit(batches)
        for _ in range(rounds):
            took, frames = run_worker(site, detector, encoder)
            seconds["worker"].append(took)
            for name, limit in limits.items():
                seconds[name].append(limit(batches))
    result: dict[str, float] = {
        f"{name}_fps": frames / float(np.median(took)) for name, took in seconds.items()
    }
    for name in LIMITS:
        ratios = np.divide(seconds[name], seconds["worker"])
        result |= {
            f"{name}_ratio": float(np.median(ratios)),
            f"{name}_least": float(ratios.min()),
            f"{name}_most": float(ratios.max()),
        }
    return result | {
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


@contextlib.contextmanager
def limit_process(
    site: config.Site, share: int, spins: str, exported: bool
) -> Iterator[Callable[[Batches], float]]:
    """A process of its own for the limit: gives the seconds for the crops of a worker."""
    here, there = multiprocessing.Pipe()
    os.environ["GOMP_SPINCOUNT"] = spins  # read where OpenMP is loaded, so only by the new process
    process = multiprocessing.get_context("spawn").Process(
        target=serve_limit, args=(there, site, share, exported), daemon=True
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


def serve_limit(connection: Connection, site: config.Site, share: int, exported: bool) -> None:
    threads.apply(share)
    encoder = EncoderRuntime(site.encoder, share)
    path = find_weights(site.detector.weights)
    network = in_onnxruntime(path, share) if exported else TorchNetwork(path, CPU, half=False)
    size = site.detector.image_size or network.size
    while True:
        connection.send(limit(site, network, size, encoder, connection.recv()))


def in_onnxruntime(path: Path, share: int) -> Network:
    """The export of the weights, in a session as it comes."""

    class Spinning(OnnxNetwork):
        def _load(self, threads: int) -> onnxruntime.InferenceSession:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            return onnxruntime.InferenceSession(str(self._path), options)

    exported = path if path.suffix == ".onnx" else exported_once(path)
    assert exported is not None
    return Spinning(exported, "cpu", share)


def limit(
    site: config.Site, network: Network, size: int, encoder: EncoderRuntime, batches: Batches
) -> float:
    """Seconds of the plain loop."""
    began = time.perf_counter()
    video = cv2.VideoCapture(site.camera(CAMERA).source, cv2.CAP_FFMPEG)
    while True:
        ok, image = video.read()
        if not ok:
            break
        picture = np.asarray(image, np.uint8)
        letterbox = Letterbox.fit(*picture.shape[:2], size, network.stride)
        network(letterbox.apply(picture)[None])
    for batch in batches:
        encoder.embed(batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
