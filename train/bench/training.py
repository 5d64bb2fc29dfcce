"""How many images a second a method learns from, and how many an encoder embeds, against the bare
network on the same batch."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models import Description, InputSpec, build, load_encoder, save_encoder
from train.data import Sample
from train.loop import Method
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop
from train.loop.validation import with_weights
from train.methods import kind
from train.methods.supervised import EncoderSettings
from train.run import ENCODER

_CAMERAS, _IMAGES = 2, 4  # a made-up person's cameras, and images in each
_EMBEDDED = 32  # crops at once, as many as `Encoder` takes
_SIDES = (160, 64)  # of a made-up image, as of a person in a camera of 640 x 360 pixels


@dataclass(frozen=True)
class AgainstBare:
    """Images a second, medians over the rounds.

    Attributes:
        batch: images at once.
        bare: of the network alone, its batch ready in memory.
        ours: of everything that we do.
        share: ours / bare.
    """

    batch: int
    bare: float
    ours: float
    share: float


def measure_training(
    method: str, settings: EncoderSettings, steps: int = 20, rounds: int = 3
) -> AgainstBare:
    """Of the loop (reading, changing and sending images, losses, optimiser) against forward,
    backward and AdamW of the same network with one classifier. The two take turns.

    Args:
        method: a name of `train.methods.METHODS`.
        settings: of it.
        steps: batches a round.
        rounds: how often; one more before them is not counted.
    """
    batch = settings.identities_per_batch * settings.images_per_identity
    accelerator = make_accelerator(settings.precision)
    with tempfile.TemporaryDirectory() as folder:
        people = max(settings.identities_per_batch, steps * batch // (_CAMERAS * _IMAGES))
        samples = made_up(Path(folder), people)
        made = kind(method).method(settings, samples, 0, "")
        loop = Loop(made, settings, 0, Path(folder), {}, accelerator)
        images = torch.randn(batch, 3, settings.height, settings.width)
        bare = Bare(made, images.to(accelerator.device), people, accelerator)
        ours, theirs = [], []
        for number in range(1, rounds + 2):
            count = batch * len(made.source(number).draws)
            ours.append(count / timed(partial(loop.run_epoch, number)))
            theirs.append(batch * steps / timed(partial(bare.learn, steps)))
    return _against(batch, theirs[1:], ours[1:])


def measure_embedding(
    settings: EncoderSettings, device: str = "auto", batches: int = 8, rounds: int = 3
) -> AgainstBare:
    """Of `Encoder.embed` on crops of another size than the network's input, against the bare
    network in single precision on a batch of its input that is ready in memory."""
    network = build(settings.architecture, **settings.arguments).eval()
    description = Description(
        input=InputSpec(height=settings.height, width=settings.width),
        dimension=network.dimension,
        architecture=settings.architecture,
        arguments=settings.arguments,
    )
    with tempfile.TemporaryDirectory() as folder:
        save_encoder(Path(folder) / ENCODER, network, description)
        encoder = load_encoder(Path(folder) / ENCODER, device)
    network.to(encoder.device).to(memory_format=torch.channels_last)
    images = torch.randn(_EMBEDDED, 3, settings.height, settings.width, device=encoder.device)
    images = images.contiguous(memory_format=torch.channels_last)
    crops = [_picture(number) for number in range(_EMBEDDED * batches)]
    ours, theirs = [], []
    for _ in range(rounds + 1):
        ours.append(len(crops) / timed(partial(encoder.embed, crops)))
        theirs.append(len(crops) / timed(partial(_embed, network, images, batches)))
    return _against(_EMBEDDED, theirs[1:], ours[1:])


class Bare:
    """A network, a classifier and an optimiser, without anything around them."""

    def __init__(
        self, method: Method, images: Tensor, classes: int, accelerator: Accelerator
    ) -> None:
        network = with_weights(method.description, method.network.state_dict())
        classifier = nn.Linear(method.description.dimension, classes, bias=False)
        self._model = nn.Sequential(network, classifier).train()
        self._model.to(accelerator.device).to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.AdamW(self._model.parameters())
        self._images = images.contiguous(memory_format=torch.channels_last)
        self._labels = torch.arange(len(images), device=images.device) % classes
        self._accelerator = accelerator

    def learn(self, steps: int) -> None:
        for _ in range(steps):
            self._optimizer.zero_grad()
            with self._accelerator.autocast():
                logits = self._model(self._images)
            self._accelerator.backward(F.cross_entropy(logits.float(), self._labels))
            self._optimizer.step()


def _embed(network: nn.Module, images: Tensor, batches: int) -> None:
    with torch.inference_mode():
        for _ in range(batches):
            network(images).cpu()


def made_up(folder: Path, people: int) -> list[Sample]:
    """People who are noise, as files."""
    samples = []
    for number in range(people * _CAMERAS * _IMAGES):
        path = folder / f"{number}.jpg"
        Image.fromarray(_picture(number)).save(path, quality=90)
        identity, camera = number // (_CAMERAS * _IMAGES) + 1, number % _CAMERAS + 1
        samples.append(Sample(path, identity, camera))
    return samples


def _picture(number: int) -> npt.NDArray[np.uint8]:
    """Coarse noise, about as hard to decode as a photograph."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (_SIDES[0] // 8, _SIDES[1] // 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, _SIDES[::-1]), np.uint8)


def timed(work: Callable[[], object]) -> float:
    """Seconds, those of the GPU included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _against(batch: int, bare: list[float], ours: list[float]) -> AgainstBare:
    middle, mine = statistics.median(bare), statistics.median(ours)
    return AgainstBare(batch, middle, mine, mine / middle)
