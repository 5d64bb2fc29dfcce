"""Processor time of one picture in the runtimes of a detector and an encoder, with one thread each.

``python -m tests.benchmarks.exports --detector yolo11n.pt --encoder encoder.safetensors``

The weights in torch and their exports in onnxruntime and OpenVINO see the same picture, or a batch
of crops, in turn. Counted is the processor's time of this process, which other processes spoil less
than the clock's; what counts is the median over the rounds of the ratio to torch.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
from reid_models import Encoder, load_encoder
from train.export import export_encoder

_PICTURES = 4  # in a round
_CROPS = 8  # of a batch; of a size that cameras give


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", default=str(config.DEMO_DETECTOR))
    parser.add_argument("--encoder", type=Path, default=config.DEMO_ENCODER)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    threads.apply(1)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, options.height, options.width, 3), np.uint8)
    crops = list(rng.integers(0, 256, (_CROPS, 200, 80, 3), np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        networks = detectors(find_weights(options.detector), Path(folder))
        found = {"detector": measure(networks, picture, options.rounds)}
        encoders = {name: e.embed for name, e in encoders_of(options.encoder, Path(folder)).items()}
        found["encoder"] = measure(encoders, crops, options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    for kind, result in found.items():
        for name, figures in result.items():
            text = "{:10}{:12} {milliseconds:6.1f} ms   ratio to torch {ratio:.3f}"
            print(text.format(kind, name, **figures))


def detectors(weights: Path, folder: Path) -> dict[str, Network]:
    made = {kind: folder / f"detector{FORMATS[kind].ending}" for kind in ("onnx", "openvino")}
    for kind, target in made.items():
        export(weights, kind, target, None)
    return {
        "torch": TorchNetwork(weights, torch.device("cpu"), half=False),
        "onnxruntime": OnnxNetwork(made["onnx"], "cpu", 1),
        "openvino": OpenVinoNetwork(made["openvino"], "cpu", 1),
    }


def encoders_of(file: Path, folder: Path) -> dict[str, Encoder]:
    made = {"torch": file, "onnxruntime": folder / "e.onnx", "openvino": folder / "x.xml"}
    for target in list(made.values())[1:]:
        export_encoder(file, target)
    return {name: load_encoder(path, "cpu", threads=1) for name, path in made.items()}


def measure(
    networks: Mapping[str, Callable[[Any], object]], picture: object, rounds: int
) -> dict[str, dict[str, float]]:
    """Milliseconds of each for a picture or batch, and the ratio to torch."""
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
