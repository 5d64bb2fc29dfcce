"""Generated images as a data set, from a run that was really trained."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from reid_models.preprocess import resize
from tests.train.methods.small import small
from train.cli import app
from train.data import DataSet, load_folder
from train.errors import TrainError
from train.generation.generator import Codes
from train.generation.write import Pairing, pair_up, write_data_set
from train.methods.dgnet_generator import load_generator
from train.run import method_settings, train_encoder

TINY = ["arguments.dimension=16", "generator.width=2", "discriminator.width=2", "epochs=1"]
TINY += ["identities_per_batch=3", "precision=fp32", "workers=0", "lambda_primary=0", "steps=1"]


@pytest.fixture
def data(market: Path) -> DataSet:
    return load_folder(market, "m")


@pytest.fixture
def run(data: DataSet, tmp_path: Path) -> Path:
    settings = method_settings("dgnet", changes=[*TINY, "pictures=0"])
    train_encoder("dgnet", data, tmp_path / "run", settings, report=lambda epoch: None)
    return tmp_path / "run"


def test_a_data_set_that_others_can_learn_from(run: Path, market: Path, tmp_path: Path) -> None:
    out = tmp_path / "more"
    arguments = ["generate", run, "--data", market, "--out", out, "--each", 2, "--with-real"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said == {"folder": str(out), "generated": 96, "identities": 8}
    real, found = load_folder(market, "m"), load_folder(out, "more")
    assert Counter(s.identity for s in found.train) == dict.fromkeys(range(1, 9), 18)
    assert {s.camera for s in found.train} == {1, 2}
    for mine, theirs in ((found.query, real.query), (found.gallery, real.gallery)):
        assert sorted(s[1:3] for s in mine) == sorted(s[1:3] for s in theirs)
        assert {s.path.read_bytes() for s in mine} == {s.path.read_bytes() for s in theirs}
    settings = small("baseline", "epochs=1")
    made = train_encoder("baseline", found, tmp_path / "with", settings, report=lambda epoch: None)
    assert made["train_images"] == 144
    assert not out.with_name("more.partial").exists()


def test_an_image_is_what_its_name_says(run: Path, data: DataSet, tmp_path: Path) -> None:
    """The appearance of the named person, the structure of another, seen by that one's camera."""
    generator, spec = load_generator(run, "cpu")
    wearer, pose = data.train[0], next(s for s in data.train if s.identity == 5 and s.camera == 2)
    out = tmp_path / "one"
    write_data_set(generator, spec, data, [Pairing(wearer, pose)], out, False, lambda more: None)
    (path,) = (out / "bounding_box_train").iterdir()
    assert path.name == "0001_c2s2_000000_00.jpg"
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    images = []
    for sample in (wearer, pose):
        pixels = resize(np.asarray(Image.open(sample.path)), 64, 32)
        images.append(((torch.tensor(pixels).float() - mean) / std).permute(2, 0, 1))
    with torch.inference_mode():
        first, second = (generator.codes(image[None]) for image in images)
        wanted = generator.generate(Codes(first.appearance, second.structure))
    difference = np.asarray(Image.open(path)).astype(float) - generator.pixels(wanted)[0].numpy()
    assert np.abs(difference).mean() < 4  # JPEG


def test_pairs(data: DataSet) -> None:
    pairings = pair_up(data.train, 3, seed=1)
    assert [p.wearer for p in pairings] == [s for s in data.train for _ in range(3)]
    assert all(p.wearer.identity != p.pose.identity for p in pairings)
    assert {p.pose.identity for p in pairings} == set(range(1, 9))
    assert pair_up(data.train, 3, seed=1) == pairings
    assert pair_up(data.train, 3, seed=2) != pairings
    with pytest.raises(TrainError, match="the data have one to train"):
        pair_up([s for s in data.train if s.identity == 1], 1, 0)


def test_runs_that_make_no_images(data: DataSet, run: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"nothing/checkpoint.pt: not a usable checkpoint"):
        load_generator(tmp_path / "nothing")
    other = small("baseline", "epochs=1")
    train_encoder("baseline", data, tmp_path / "b", other, report=lambda epoch: None)
    with pytest.raises(TrainError, match="of the method baseline; runs of dgnet have a generator"):
        load_generator(tmp_path / "b")
    with pytest.raises(TrainError, match="device 'gpu' cannot be used"):
        load_generator(run, "gpu")
    generator, spec = load_generator(run, "cpu")
    with pytest.raises(TrainError, match="exists; choose another folder"):
        write_data_set(generator, spec, data, [], tmp_path, False, lambda more: None)
