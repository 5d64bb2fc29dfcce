"""DCGANs on a few images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.utils import set_seed
from PIL import Image

from reid_models.generators.dcgan import DCGANGenerator
from train.data import Sample, load_folder, read_image
from train.errors import TrainError
from train.generation.collapse import Collapse
from train.generation.dcgan import (
    DCGANMethod,
    DCGANSettings,
    check_enough,
    make_images,
    sheet,
    write_images,
)
from train.loop import Batch, LoopSettings
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop


def settings(**changes: object) -> DCGANSettings:
    values = {"size": 16, "width": 4, "noise": 8, "epochs": 2, "batch": 8, "learning_rate": 2e-3}
    return DCGANSettings.model_validate({**values, "beta1": 0.5, "collapse": None, **changes})


def loop_of(method: DCGANMethod, epochs: int, out: Path) -> Loop:
    chosen = LoopSettings(
        epochs=epochs,
        precision="fp32",
        accumulation=1,
        gradient_checkpointing=False,
        ema=None,
        validation=None,
        workers=0,
    )
    out.mkdir(exist_ok=True)
    return Loop(method, chosen, 0, out, {}, make_accelerator("fp32"))


def test_losses_are_those_of_equation_3(market: Path) -> None:
    method = DCGANMethod(settings(), load_folder(market, "m").train, seed=0)
    images = torch.rand(8, 3, 16, 16) * 2 - 1
    batch = Batch(images, torch.zeros(8, dtype=torch.int64), torch.arange(8))
    discriminator = method.models["discriminator"].eval()
    method.network.eval()
    judge, forge = (update.step for update in method.updates)
    torch.manual_seed(3)
    found = judge(batch)
    torch.manual_seed(3)
    with torch.no_grad():
        forged = discriminator(method.network(method.network.draw(8))).tolist()
        real = discriminator(images).tolist()
    logistic = [[1 / (1 + math.exp(-score)) for score in scores] for scores in (real, forged)]
    gain = sum(map(math.log, logistic[0])) + sum(math.log(1 - p) for p in logistic[1])
    assert found["loss"].item() == pytest.approx(-gain / 8, rel=1e-5)
    assert found["real"].item() == pytest.approx(sum(logistic[0]) / 8, rel=1e-5)
    assert found["generated"].item() == pytest.approx(sum(logistic[1]) / 8, rel=1e-5)
    torch.manual_seed(3)
    fooled = -sum(map(math.log, logistic[1])) / 8
    assert forge(batch)["loss"].item() == pytest.approx(fooled, rel=1e-5)


def test_the_discriminators_update_leaves_the_generator_alone(market: Path) -> None:
    method = DCGANMethod(settings(), load_folder(market, "m").train, seed=0)
    batch = Batch(torch.zeros(8, 3, 16, 16), torch.zeros(8), torch.arange(8))
    method.updates[0].step(batch)["loss"].backward()
    assert all(p.grad is None for p in method.network.parameters())
    assert all(p.grad is not None for p in method.models["discriminator"].parameters())


@pytest.fixture
def reds(tmp_path: Path) -> list[Sample]:
    """Images of reddish noise."""
    rng, samples = np.random.default_rng(0), []
    for number in range(32):
        image = rng.integers(0, 30, (16, 16, 3)) + np.array([200, 20, 40])
        samples.append(Sample(tmp_path / f"{number}.png", 1 + number, 1))
        Image.fromarray(image.astype(np.uint8)).save(samples[-1].path)
    return samples


@pytest.fixture
def dressed(tmp_path: Path) -> list[Sample]:
    """Images of noise, reddish above and bluish below."""
    rng, samples = np.random.default_rng(0), []
    for number in range(32):
        image = rng.integers(0, 30, (32, 32, 3))
        image[:16] += [200, 20, 40]
        image[16:] += [40, 20, 200]
        samples.append(Sample(tmp_path / f"{number}.png", 1 + number, 1))
        Image.fromarray(image.astype(np.uint8)).save(samples[-1].path)
    return samples


def test_learns_which_colour_is_where(dressed: list[Sample], tmp_path: Path) -> None:
    """Means over ten epochs, since a single one swings. The images differ by 160 above and below;
    seeds 0 to 3 gave 22 to 60 of them, and differences of 60 to 94 together.

    Smaller images would not do: where the discriminator's last map is a single place, its batch
    norm takes away all that the images have in common.
    """
    set_seed(0)
    method = DCGANMethod(settings(size=32), dressed, seed=0)
    seen: list[tuple[float, float]] = []

    def look(_: object = None) -> None:
        images = np.array(list(make_images(method.network, 20, 0)), float)
        above, below = (half.mean((0, 1, 2)) for half in (images[:, :16], images[:, 16:]))
        seen.append((above[0] - above[2], below[2] - below[0]))

    look()
    loop_of(method, 30, tmp_path / "run").fit(look)
    assert np.abs(seen[0]).max() < 10
    above, below = np.mean(seen[-10:], axis=0)
    assert min(above, below) > 5
    assert above + below > 30
    assert (tmp_path / "run" / "pictures" / "epoch_0030_samples.png").is_file()


def test_a_discriminator_that_has_won_stops_the_run(reds: list[Sample], tmp_path: Path) -> None:
    set_seed(0)
    collapse = Collapse(loss=100.0, steps=40)  # any loss is below: it counts as won
    method = DCGANMethod(settings(collapse=collapse, batch=2), reds, seed=0)
    with pytest.raises(TrainError, match="collapsed in epoch 3"):
        loop_of(method, 9, tmp_path / "run").fit(lambda epoch: None)
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


def test_images_are_those_of_weights_and_seed_and_appear_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = DCGANGenerator(16, 2, 4)
    write_images(generator, 70, 5, tmp_path / "a")
    again = list(make_images(generator, 70, 5))
    files = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in files] == [f"{n:06}.png" for n in range(1, 71)]
    assert all((read_image(f) == i).all() for f, i in zip(files, again, strict=True))
    assert (again[0] != next(make_images(generator, 1, 6))).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    assert sheet(generator).shape == (4 * 18 + 2, 16 * 18 + 2, 3)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainError, match=r"cannot be written .*--resume"):
        write_images(DCGANGenerator(16, 2, 4), 1, 0, tmp_path / "file" / "cluster-1")


def test_too_few_images() -> None:
    with pytest.raises(TrainError, match=r"cluster 2 holds 7 images, fewer than a batch .*, 8;"):
        check_enough(7, settings(), "cluster 2")
    check_enough(8, settings(), "cluster 2")
