"""Processor time of one picture in a detector's runtimes, each with one thread.

``python -m tests.benchmarks.exports --detector yolo11n.pt``

The weights in torch and their exports in onnxruntime and OpenVINO see the same picture in turn.
Counted is the processor's time of this process, which other processes spoil less than the clock's;
what counts is the median over the rounds of the ratio to torch.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from pipeline import config
from pipeline.inference import threads
from pipeline.inference.export import FORMATS, export
from pipeline.inference.runtimes import Network
from pipeline.inference.runtimes.onnx import OnnxNetwork
from pipeline.inference.runtimes.openvino import OpenVinoNetwork
from pipeline.inference.runtimes.pytorch import TorchNetwork
from pipeline.inference.weights import find_weights
from pipeline.records import Image

_PICTURES = 4  # in a round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", default=str(config.DEMO_DETECTOR))
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    threads.apply(1)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, options.height, options.width, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(find_weights(options.detector), Path(folder), picture, options.rounds)
    if options.json:
        print(json.dumps(result))
        return
    for name, figures in result.items():
        print("{:12} {milliseconds:6.1f} ms   ratio to torch {ratio:.3f}".format(name, **figures))


def measure(
    weights: Path, folder: Path, picture: Image, rounds: int
) -> dict[str, dict[str, float]]:
    made = {kind: folder / f"detector{FORMATS[kind].ending}" for kind in ("onnx", "openvino")}
    for kind, target in made.items():
        export(weights, kind, target, None)
    networks: dict[str, Network] = {
        "torch": TorchNetwork(weights, torch.device("cpu"), half=False),
        "onnxruntime": OnnxNetwork(made["onnx"], "cpu", 1),
        "openvino": OpenVinoNetwork(made["openvino"], "cpu", 1),
    }
    for network in networks.values():
        network(picture)
    took: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            began = time.process_time()
            for _ in range(_PICTURES):
                network(picture)
            took[name].append((time.process_time() - began) / _PICTURES)
    return {
        name: {
            "milliseconds": 1e3 * float(np.median(seconds)),
            "ratio": float(np.median(np.divide(seconds, took["torch"]))),
        }
        for name, seconds in took.items()
    }


if __name__ == "__main__":
    main()
