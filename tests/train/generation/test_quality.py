"""Who judges generated images, and how."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_models import InputSpec, build
from reid_models.networks.dgnet import DGNet
from tests.train.generation.colours import colour_encoder
from train.data import load_folder
from train.errors import TrainError
from train.generation import quality
from train.generation.generator import Generator
from train.generation.quality import EncoderJudge, judge_generator, open_judge

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


def test_wrong_colours_are_worse(market: Path) -> None:
    class Painter(Copyist):
        def generate(self, codes: object) -> torch.Tensor:
            return super().generate(codes).flip(1)

    samples = load_folder(market, "m").train
    judge = EncoderJudge(colour_encoder())
    assert judge_generator(Painter().eval(), SPEC, samples, judge, 0) > 0.005


def test_judges() -> None:
    assert open_judge(colour_encoder(), None).name.endswith("encoder 01234567")
    with pytest.raises(TrainError, match="not weights of FID's Inception network"):
        open_judge(None, Path("absent.pth"))
