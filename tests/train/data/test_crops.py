"""Training images as the loader gets them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from reid_models import InputSpec
from train.data import Augmentation, Crops, Draw, load_folder
from train.errors import TrainError
from train.loop.loader import Loader
from train.loop.method import Source

SPEC = InputSpec(height=64, width=32)
CHANGES = Augmentation(another_camera=1.0, mirror=0.5, pad=4, zoom=0.1, erase=0.5)


def test_images_and_labels(market: Path) -> None:
    data = load_folder(market, "m")
    crops = Crops(data.train, SPEC, CHANGES)
    image, label = crops[47]
    assert len(crops) == 48
    assert image.shape == (3, 64, 32)
    assert image.dtype == torch.float32
    assert (label, crops.classes) == (7, 8)
    assert crops.labels == [s.identity - 1 for s in data.train]
    assert abs(float(image.mean())) < 3  # normalised


def test_augmentation_follows_the_seed(market: Path) -> None:
    crops = Crops(load_folder(market, "m").train, SPEC, CHANGES)
    torch.manual_seed(1)
    first, second = crops[0][0], crops[0][0]
    torch.manual_seed(1)
    assert torch.equal(crops[0][0], first)
    assert not torch.equal(first, second)


def test_a_draw_gives_the_same_image_wherever_it_is_made(market: Path) -> None:
    samples = load_folder(market, "m").train
    samples[6].path.unlink()  # after it was checked
    crops = Crops(samples, SPEC, CHANGES)
    draws = [Draw(5, 11), Draw(9, 12), Draw(5, 13), Draw(6, 14)]
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    here = [crops[draw][0] for draw in draws]
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's chance is moved
    assert torch.equal(crops[draws[0]][0], here[0])
    assert not torch.equal(here[0], here[2])
    source = Source(samples, crops, [draws[:2], draws[2:]])
    loader = Loader(source, 2, torch.device("cpu"), 0, 1)
    there = torch.cat([batch.images for batch in loader])
    assert torch.equal(there, torch.stack(here))
    assert crops.unreadable == 2  # once here, once in a worker
    shutil.rmtree(market)
    with pytest.raises(TrainError, match=r"^/.* is the disk still there") as caught:
        list(loader)
    assert "Traceback" not in str(caught.value)


def test_an_image_that_has_become_unreadable_is_replaced(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = load_folder(market, "m").train
    crops = Crops(samples, SPEC, CHANGES)
    samples[6].path.write_bytes(b"gone bad")
    samples[7].path.unlink()
    for index in (6, 7, 6):
        assert crops[Draw(index, 1)][1] == 1  # another image of the same person
    assert crops.unreadable >= 3
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2  # once for each
    assert all("another takes its place" in line for line in told)


def test_somebody_else_stands_in_where_nobody_is_left(market: Path) -> None:
    samples = load_folder(market, "m").train
    crops = Crops(samples, SPEC, CHANGES)
    for sample in samples[:6]:
        sample.path.unlink()
    image, label = crops[Draw(0, 1)]
    assert image.shape == (3, 64, 32)
    assert label != 0
    shutil.rmtree(market)
    with pytest.raises(TrainError, match="is the disk still there"):
        crops[Draw(0, 1)]
