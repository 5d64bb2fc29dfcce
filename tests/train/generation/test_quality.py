"""Who judges generated images, and how."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from reid_models import InputSpec, build
from reid_models.networks.dgnet import DGNet
from tests.train.generation.colours import colour_encoder
from train.cli import app
from train.data import load_folder
from train.errors import TrainError
from train.generation import quality
from train.generation.generator import Generator
from train.generation.quality import EncoderJudge, judge_generator, open_judge
from train.run import method_settings, train_encoder

SPEC = InputSpec(height=64, width=32)


class Copyist(Generator):
    """Gives the image of whom it should wear the clothes of."""

    def __init__(self) -> None:
        network = build("dgnet", backbone="stripenet", dimension=16)
        assert isinstance(network, DGNet)
        super().__init__(network, 2, False, SPEC)
        network.code = lambda images: images  # type: ignore[method-assign]

    def generate(self, codes: object) -> torch.Tensor:
        return codes.appearance  # type: ignore[attr-defined,no-any-return]


def test_copies_are_as_good_as_real_ones(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = load_folder(market, "m").train
    judge = EncoderJudge(colour_encoder())
    generator = Copyist().eval()
    assert judge_generator(generator, SPEC, samples, judge, 0) == pytest.approx(0, abs=1e-4)
    seen: list[int] = []

    def count(real: object, generated: object) -> float:
        seen.extend((len(real), len(generated)))  # type: ignore[arg-type]
        assert all(image.shape == (64, 32, 3) for image in (*real, *generated))  # type: ignore[misc]
        return 0.0

    monkeypatch.setattr(quality, "_MOST", 10)
    judge_generator(generator, SPEC, samples, count, 0)  # type: ignore[arg-type]
    assert seen == [10, 10]


class Painter(Copyist):
    """Takes red for blue."""

    def generate(self, codes: object) -> torch.Tensor:
        return super().generate(codes).flip(1)


def test_wrong_colours_are_worse(market: Path) -> None:
    samples = load_folder(market, "m").train
    judge = EncoderJudge(colour_encoder())
    assert judge_generator(Painter().eval(), SPEC, samples, judge, 0) > 0.005


def test_all_measures_of_copies_and_of_wrong_colours(market: Path) -> None:
    samples = load_folder(market, "m").train
    judge = EncoderJudge(colour_encoder())
    found = quality.quality(Copyist().eval(), SPEC, samples, judge, 0)
    assert found["images"] == 24  # every second one of 48
    assert found["generated"] == pytest.approx(found["real"], abs=1e-4)
    assert found["ssim_generated"] == pytest.approx(found["ssim_real"], abs=1e-4)
    assert found["recognised"] > 0.9
    assert found["recognised"] == found["recognised_real"]
    painted = quality.quality(Painter().eval(), SPEC, samples, judge, 0)
    assert painted["generated"] > 1.5 * found["generated"]
    assert painted["recognised"] < 0.5
    assert painted["recognised_real"] == found["recognised_real"]
    assert painted["real"] == found["real"]
    assert painted["blurred"] == found["blurred"]


def test_people_of_two_images_have_no_likeness_among_their_own(market: Path) -> None:
    counted: Counter[int] = Counter()
    few = []
    for sample in load_folder(market, "m").train:
        counted[sample.identity] += 1
        few += [sample] if counted[sample.identity] <= 2 else []
    found = quality.quality(Copyist().eval(), SPEC, few, EncoderJudge(colour_encoder()), 0)
    assert found["images"] == len(counted)
    assert found["recognised"] == found["recognised_real"]
    assert not any(name.startswith("ssim") for name in found)


def test_blurred_images_are_no_real_ones() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 32, 3)).astype(np.uint8)
    blurred = quality._blurred(image)
    assert blurred.std() < 0.25 * image.std()  # noise, by a Gaussian of 2: 1 / (4 sqrt(pi))
    assert blurred.mean() == pytest.approx(image.mean(), abs=3)


def test_people_of_one_image_cannot_be_judged(market: Path) -> None:
    samples = load_folder(market, "m").train[::6]
    with pytest.raises(TrainError, match="two people with two images each"):
        quality.quality(Copyist(), SPEC, samples, EncoderJudge(colour_encoder()), 0)


def test_the_command(market: Path, tmp_path: Path) -> None:
    tiny = ["arguments.dimension=16", "generator.width=2", "discriminator.width=2", "epochs=1"]
    tiny += ["identities_per_batch=3", "precision=fp32", "workers=0", "lambda_primary=0", "steps=1"]
    data, run = load_folder(market, "m"), tmp_path / "run"
    settings = method_settings("dgnet", changes=[*tiny, "pictures=0"])
    train_encoder("dgnet", data, run, settings, report=lambda epoch: None)
    options = ["judge", run, "--data", market, "--judge", run / "encoder.safetensors", "--json"]
    result = CliRunner().invoke(app, [*map(str, options), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert 0 <= found["recognised"] <= 1
    assert found["images"] == 24


def test_judges() -> None:
    assert open_judge(colour_encoder(), None).name.endswith("encoder 01234567")
    with pytest.raises(TrainError, match="not weights of FID's Inception network"):
        open_judge(None, Path("absent.pth"))
