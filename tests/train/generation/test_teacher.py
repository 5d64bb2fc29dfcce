"""Soft labels by hand, and teachers that know other people."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import InputSpec, load_encoder
from tests.train.conftest import write_person
from tests.train.methods.small import small
from train.data import DataSet, load_folder, read_image
from train.errors import TrainError
from train.generation.teacher import load_teacher
from train.run import train_encoder

SPEC = InputSpec(height=64, width=32)


@pytest.fixture
def data(market: Path) -> DataSet:
    return load_folder(market, "m")


def train(data: DataSet, out: Path, epochs: int) -> Path:
    changes = [f"epochs={epochs}", "augmentation.another_camera=0", "augmentation.erase=0"]
    train_encoder("baseline", data, out, small("baseline", *changes), report=lambda epoch: None)
    return out / "encoder.safetensors"


def test_soft_labels_by_hand(data: DataSet, tmp_path: Path) -> None:
    """The mean over an image and its mirror image, of what encoder and classifier make of it."""
    file = train(data, tmp_path / "run", 15)
    given = InputSpec(height=64, width=32, mean=(100, 100, 100), std=(50, 60, 70))
    teacher = load_teacher(file, data.train, given).train()
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    image = np.ascontiguousarray(np.resize(read_image(data.train[0].path), (64, 32, 3)))
    normalised = (torch.from_numpy(image).float() - 100) / torch.tensor([50.0, 60, 70])
    found = teacher(normalised.permute(2, 0, 1)[None])[0].double().numpy()
    weights = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["state"]["models"]
    classifier = weights["model"]["classifiers.0.weight"].double().numpy()
    own = load_encoder(file, "cpu").description.input
    mean, std = np.array(own.mean), np.array(own.std)
    wanted = np.zeros(8)
    for view in (image, image[:, ::-1]):
        batch = torch.from_numpy(((view - mean) / std).transpose(2, 0, 1)[None]).float()
        with torch.inference_mode():
            logits = classifier @ teacher.network(batch)[0].double().numpy()
        wanted += np.exp(logits) / np.exp(logits).sum() / 2
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_images_of_another_size(data: DataSet, tmp_path: Path) -> None:
    file = train(data, tmp_path / "run", 15)
    teacher = load_teacher(file, data.train, InputSpec(height=128, width=64))
    assert teacher(torch.randn(2, 3, 128, 64)).shape == (2, 8)


def test_teachers_of_other_people(data: DataSet, market: Path, tmp_path: Path) -> None:
    file = train(data, tmp_path / "run", 15)
    with pytest.raises(TrainError, match=r"trained on 8 identities, but the data have 3"):
        load_teacher(file, [s for s in data.train if s.identity > 5], SPEC)
    rng = np.random.default_rng(3)
    for sample in data.train:  # as many people, in other clothes
        write_person(sample.path, sample.identity + 100, sample.camera, rng)
    with pytest.raises(TrainError, match=r"recognises \d+% of the training images; it was trained"):
        load_teacher(file, data.train, SPEC)


def test_runs_that_are_no_teachers(data: DataSet, tmp_path: Path) -> None:
    file = train(data, tmp_path / "run", 1)
    alone = tmp_path / "alone" / file.name
    alone.parent.mkdir()
    shutil.copyfile(file, alone)
    with pytest.raises(TrainError, match=r"alone/checkpoint.pt: not a usable checkpoint"):
        load_teacher(alone, data.train, SPEC)
    train_encoder(
        "scr", data, tmp_path / "scr", small("scr", "epochs=1"), report=lambda epoch: None
    )
    with pytest.raises(TrainError, match=r"of the method scr; a teacher is an encoder of"):
        load_teacher(tmp_path / "scr" / file.name, data.train, SPEC)
