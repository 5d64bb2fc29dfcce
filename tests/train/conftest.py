"""A tiny data set on disk: persons that differ in the colours of their clothes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.folders import made_once


def write_person(path: Path, identity: int, camera: int, rng: np.random.Generator) -> None:
    """A crop: two blocks of the identity's colours under the camera's gain, with noise."""
    colours = np.random.default_rng(identity).integers(0, 256, (2, 3))
    height = int(rng.integers(60, 140))
    image = np.full((height, height // 2, 3), 120.0)
    image[height // 6 : height // 2, 4:-4] = colours[0]
    image[height // 2 :, 6:-6] = colours[1]
    image = image * (0.7 + 0.15 * camera) + rng.normal(0, 8, image.shape)
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_market(folder: Path) -> None:
    """Market-1501's layout: identities 1-8 to train, 9-12 to test, 2 cameras, 3 crops in each."""
    rng = np.random.default_rng(1)
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        (folder / part).mkdir()
    for identity in range(1, 13):
        for camera in (1, 2):
            for number in range(3):
                name = f"{identity:04}_c{camera}s1_{number:06}_01.jpg"
                test = "query" if number == 0 else "bounding_box_test"
                part = "bounding_box_train" if identity <= 8 else test
                write_person(folder / part / name, identity, camera, rng)


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """The test's own copy of what `write_market` writes."""
    return shutil.copytree(made_once("market", write_market), tmp_path / "market")
