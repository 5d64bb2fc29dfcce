"""How many training images a second are read and changed, by one process and by several.

    python -m tests.benchmarks.loader [--workers 2]

Beside it stands the bare reading of the same files. The images are as large as Market-1501's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from reid_models import InputSpec
from train.data import Augmentation, Crops, PKSampler, Sample, read_image

IMAGES, PEOPLE = 1_024, 64
USUAL = Augmentation(mirror=0.5, pad=10, erase=0.5)
MANY = Augmentation(
    another_camera=1.0,
    mirror=0.5,
    rotate=3.0,
    shift=0.06,
    zoom=0.12,
    saturation=0.5,
    blur=0.3,
    erase=0.5,
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        samples = list(_draw(Path(folder)))
        start = time.perf_counter()
        for sample in samples:
            read_image(sample.path)
        print(f"reading alone: {IMAGES / (time.perf_counter() - start):.0f} images a second")
        for name, augmentation in (("mirror, pad, erase", USUAL), ("everything", MANY)):
            for height, width in ((128, 64), (256, 128), (384, 192)):
                crops = Crops(samples, InputSpec(height=height, width=width), augmentation)
                rates = [_rate(crops, count) for count in (0, workers)]
                print(
                    f"{name} at {height} x {width}: {rates[0]:.0f} images a second here, "
                    f"{rates[1]:.0f} from {workers} workers"
                )


def _draw(folder: Path) -> Iterator[Sample]:
    rng = np.random.default_rng(1)
    for number in range(IMAGES):
        noise = rng.integers(0, 256, (128, 64, 3), dtype=np.uint8)
        path = folder / f"{number}.jpg"
        Image.fromarray(cv2.GaussianBlur(noise, (5, 5), 0)).save(path, quality=90)
        yield Sample(path, number % PEOPLE + 1, number // PEOPLE % 2)


def _rate(crops: Crops, workers: int) -> float:
    """Images a second of the second epoch, when the workers are there."""
    sampler = PKSampler(crops.labels, crops.cameras, 16, 4)
    loader = DataLoader(
        crops,
        batch_sampler=sampler,
        num_workers=workers,
        multiprocessing_context="forkserver" if workers else None,
        persistent_workers=workers > 0,
    )
    seconds = 0.0
    for epoch in range(2):
        sampler.epoch = epoch
        start = time.perf_counter()
        images = sum(len(labels) for _, labels in loader)
        seconds = time.perf_counter() - start
    return images / seconds


if __name__ == "__main__":
    main()
