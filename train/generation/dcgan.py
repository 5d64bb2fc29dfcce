"""A DCGAN trained on one cluster of images, and the images that it makes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torchvision.utils import make_grid

from reid_models import InputSpec
from reid_models.generators.dcgan import SMALLEST, DCGANDiscriminator, DCGANGenerator
from train.data import Augmentation, Crops, Draw, Sample
from train.errors import TrainError
from train.generation.collapse import Collapse, CollapseWatch
from train.loop import Batch, Method, Settings, Source, Update
from train.loop.loop import Loop

_MIDDLE = 127.5  # of 0 to 255, which the networks know as -1 to 1
_AT_ONCE = 64  # images
_SHOWN = 64  # images on a sheet
_ROW = 16  # of them side by side


class DCGANSettings(Settings):
    """The keys of ``dcgan`` in ``slsr.yaml``, which says what each means."""

    size: Annotated[int, Field(ge=SMALLEST, le=512, multiple_of=SMALLEST)]
    width: int = Field(ge=1, le=256)
    noise: int = Field(ge=1)
    epochs: int = Field(ge=1)
    batch: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    beta1: float = Field(ge=0, lt=1)
    collapse: Collapse | None


class DCGANMethod(Method):
    """Alternating updates of a discriminator and a generator; its network is no encoder, so that
    it has no description.

    Ainam et al., "Sparse Label Smoothing for Semi-supervised Person Re-Identification", equation
    3; the generator maximises ``log D(G(z))``, as in Radford et al., which has the same fixed
    point as minimising ``log(1 - D(G(z)))`` and does not stand still at first.

    Args:
        settings: see ``slsr.yaml``.
        samples: of the cluster; see `check_enough`.
        seed: of the batches; weights and noise take torch's global generator.
    """

    lower = "batch, width or size"

    def __init__(self, settings: DCGANSettings, samples: Sequence[Sample], seed: int) -> None:
        spec = InputSpec(
            height=settings.size, width=settings.size, mean=(_MIDDLE,) * 3, std=(_MIDDLE,) * 3
        )
        crops = Crops(samples, spec, Augmentation())
        self._draws = _Shuffled(len(samples), settings.batch, seed)
        self._source = Source(samples, crops, self._draws)
        self.network: DCGANGenerator = DCGANGenerator(settings.size, settings.width, settings.noise)
        discriminator = DCGANDiscriminator(settings.size, settings.width)
        self.models = {"generator": self.network, "discriminator": discriminator}
        self._collapse = CollapseWatch(settings.collapse) if settings.collapse else None
        if self._collapse is not None:
            self.models["collapse"] = self._collapse
        self.updates = [
            Update([_adam(discriminator, settings)], self._judge, lambda epoch: 1.0),
            Update([_adam(self.network, settings)], self._forge, lambda epoch: 1.0),
        ]
        self._epoch = 0

    @property
    def doubtful(self) -> bool:
        return self._collapse is not None and self._collapse.doubtful

    def before_epoch(self, loop: Loop) -> None:
        self._epoch = loop.epoch

    def source(self, epoch: int) -> Source:
        self._draws.epoch = epoch
        return self._source

    def pictures(self, epoch: int) -> dict[str, npt.NDArray[np.uint8]]:
        """A sheet of the same noise after every epoch."""
        return {"samples": sheet(self.network)}

    def _judge(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 3, which the discriminator maximises."""
        with torch.no_grad():
            forged = self.models["generator"](self.network.draw(len(batch.images)))
        real, generated = (self.models["discriminator"](i) for i in (batch.images, forged))
        loss = F.softplus(-real).mean() + F.softplus(generated).mean()
        if self._collapse is not None:
            self._collapse.look(loss, [torch.cat([real, generated])], self._epoch)
        taken = real.sigmoid().mean(), generated.sigmoid().mean()
        return {"loss": loss, "real": taken[0], "generated": taken[1]}

    def _forge(self, batch: Batch) -> dict[str, Tensor]:
        forged = self.models["generator"](self.network.draw(len(batch.images)))
        loss = F.softplus(-self.models["discriminator"](forged)).mean()
        return {"loss": loss, "generator": loss}


def check_enough(images: int, settings: DCGANSettings, name: str) -> None:
    """A DCGAN needs a batch of images.

    Args:
        images: how many there are.
        settings: of the DCGAN.
        name: of what holds them, for the message.

    Raises:
        TrainError: there are fewer.
    """
    if images < settings.batch:
        raise TrainError(
            f"{name} holds {images} images, fewer than a batch of its DCGAN, {settings.batch}; "
            "lower dcgan.batch or clusters"
        )


class _Shuffled:
    """Batches of one size; what is left over when an epoch ends waits for another."""

    def __init__(self, images: int, size: int, seed: int) -> None:
        self._images, self._size, self._seed = images, size, seed
        self.epoch = 0

    def __len__(self) -> int:
        return self._images // self._size

    def __iter__(self) -> Iterator[list[Draw]]:
        rng = random.Random(f"{self._seed}/{self.epoch}")  # noqa: S311 - not for secrets
        order = rng.sample(range(self._images), self._images)
        for batch in range(len(self)):
            chosen = order[batch * self._size : (batch + 1) * self._size]
            yield [Draw(index, rng.getrandbits(63)) for index in chosen]


def _adam(model: nn.Module, settings: DCGANSettings) -> Adam:
    return Adam(model.parameters(), lr=settings.learning_rate, betas=(settings.beta1, 0.999))


@torch.no_grad()
def make_images(
    generator: DCGANGenerator, number: int, seed: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """Images size x size x 3, RGB uint8; the same ones for the same weights and seed."""
    generator.eval()
    chance = torch.Generator().manual_seed(seed)
    for start in range(0, number, _AT_ONCE):
        images = generator(generator.draw(min(_AT_ONCE, number - start), chance))
        yield from _to_pixels(images)


def write_images(generator: DCGANGenerator, number: int, seed: int, folder: Path) -> None:
    """Write them as ``folder/000001.png`` and so on; the folder appears whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for place, image in enumerate(make_images(generator, number, seed), start=1):
            Image.fromarray(image).save(partial / f"{place:06}.png")
        partial.replace(folder)
    except OSError as error:
        raise TrainError(
            f"{folder}: cannot be written ({error.strerror}); make room, then go on with --resume"
        ) from None


def sheet(generator: DCGANGenerator) -> npt.NDArray[np.uint8]:
    """A picture of 64 images in rows of 16."""
    images = [torch.from_numpy(i).permute(2, 0, 1) for i in make_images(generator, _SHOWN, 0)]
    grid = make_grid(images, nrow=_ROW).permute(1, 2, 0).contiguous()
    return cast(npt.NDArray[np.uint8], grid.numpy())


def _to_pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    pixels = ((images.float() + 1) * _MIDDLE).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
