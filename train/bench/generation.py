"""How long a training step of DG-Net takes, against the bare networks that it runs."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from reid_models import InputSpec, build
from reid_models.generators import Decoder, Discriminator, StructureEncoder
from reid_models.networks.dgnet import DGNet
from train.bench.peak import Peak
from train.bench.training import made_up, timed
from train.generation.teacher import Teacher
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop
from train.loop.record import device_name
from train.methods.dgnet import DGNetMethod
from train.methods.dgnet_features import DGNetSettings
from train.precision import Precision

_STEPS, _ROUNDS = 5, 3
_STEPS_CPU = 1  # at full size one takes about half a minute
_RUN = 100_000  # steps, of the published training


@dataclass(frozen=True)
class Step:
    """One precision's figures; milliseconds are medians over the rounds.

    Attributes:
        device: accelerator or processor.
        precision: of the networks.
        batch: images.
        milliseconds: of a step of the loop, all its losses and the teacher included.
        bare_milliseconds: of the bare networks, one after the other.
        ratio: of the two.
        memory: of the step, GiB at its peak, of the GPU or without one of this process; None where
            the system does not say.
        bare_memory: of the bare networks. Those of the step stay in memory meanwhile, and the bare
            ones during the step.
        hours: of 100,000 steps.
    """

    device: str
    precision: str
    batch: int
    milliseconds: float
    bare_milliseconds: float
    ratio: float
    memory: float | None
    bare_memory: float | None
    hours: float


def measure_steps(settings: DGNetSettings) -> Iterator[Step]:
    """In bf16, then in fp32, on the GPU where there is one.

    Args:
        settings: of the method; its teacher is replaced by a random one of the same backbone, and
            generated images are fed from the first step on.
    """
    for precision in ("bf16", "fp32"):
        yield _measure(settings, precision)


def _measure(settings: DGNetSettings, precision: Precision) -> Step:
    batch = settings.identities_per_batch * settings.images_per_identity
    accelerator = make_accelerator(precision)
    steps = _STEPS if accelerator.device.type == "cuda" else _STEPS_CPU
    changes = {
        "precision": precision,
        "steps": steps,
        "epochs": _ROUNDS + 1,
        "feed_from": 0.0,
        "feed_ramp": 0.0,
        "collapse": None,
        "weights": "none",
        "validation": None,
    }
    chosen = settings.model_copy(update=changes)
    with tempfile.TemporaryDirectory() as folder:
        samples = made_up(Path(folder), settings.identities_per_batch)
        classes = settings.identities_per_batch
        teacher = _teacher(settings, classes)
        method = DGNetMethod(chosen, samples, 0, "", teacher)
        loop = Loop(method, chosen, 0, Path(folder), {}, accelerator)
        bare = _Bare(settings, classes, batch, accelerator)
        ours, theirs = _Timer(accelerator.device), _Timer(accelerator.device)
        for number in range(1, _ROUNDS + 2):
            ours(partial(loop.run_epoch, number), steps)
            theirs(bare.pass_through, 1)
    milliseconds, least = ours.milliseconds(), theirs.milliseconds()
    return Step(
        device_name(accelerator.device),
        precision,
        batch,
        milliseconds,
        least,
        milliseconds / least,
        ours.memory,
        theirs.memory,
        milliseconds * _RUN / 3_600_000,
    )


class _Timer:
    """Times rounds, of which the first does not count, and notes the most memory."""

    def __init__(self, device: torch.device) -> None:
        self._peak = Peak(device)
        self._rounds: list[float] = []
        self.memory: float | None = None

    def __call__(self, work: Callable[[], object], steps: int) -> None:
        self._peak.begin()
        self._rounds.append(1000 * timed(work) / steps)
        held = self._peak.gib()
        self.memory = None if held is None else max(self.memory or 0.0, held)

    def milliseconds(self) -> float:
        return statistics.median(self._rounds[1:])


class _Bare:
    """The networks of a step, each with as many random images as the step gives it."""

    def __init__(
        self, settings: DGNetSettings, classes: int, batch: int, accelerator: Accelerator
    ) -> None:
        self._accelerator = accelerator
        h, w, width = settings.height, settings.width, settings.generator.width
        network = _network(settings)
        channels, parts, _ = network.code_shape
        views = 2 if settings.identity_augmentation is None else 3
        structure = torch.randn(3 * batch, 8 * width, h // 4, w // 4)
        learning: list[tuple[nn.Module, list[Tensor]]] = [
            (network, [torch.randn(views * batch, 3, h, w)]),
            (
                StructureEncoder(width, settings.generator.aspp),
                [torch.randn(2 * batch, 1, h, w)],
            ),
            (
                Decoder(channels * parts, width),
                [torch.randn(3 * batch, channels, parts, 1), structure],
            ),
            (Discriminator(settings.discriminator.width), [torch.randn(3 * batch, 3, h, w)]),
        ]
        self._learning = [self._placed(model, inputs) for model, inputs in learning]
        teacher = _teacher(settings, classes)
        self._teacher = self._placed(teacher, [torch.randn(batch, 3, h, w)])

    def pass_through(self) -> None:
        for model, inputs in self._learning:
            with self._accelerator.autocast():
                given = model(*inputs)
            outputs = given if isinstance(given, list) else [given]
            self._accelerator.backward(
                torch.stack([o.float().square().mean() for o in outputs]).sum()
            )
            model.zero_grad()
        model, inputs = self._teacher
        with self._accelerator.autocast():
            model(*inputs)

    def _placed(self, model: nn.Module, inputs: list[Tensor]) -> tuple[nn.Module, list[Tensor]]:
        device, layout = self._accelerator.device, torch.channels_last
        model.train().to(device).to(memory_format=layout)
        return model, [value.to(device).contiguous(memory_format=layout) for value in inputs]


def _network(settings: DGNetSettings) -> DGNet:
    arguments: dict[str, Any] = {**settings.arguments, "mirror": False}
    network = build(settings.architecture, **arguments)
    assert isinstance(network, DGNet)
    return network


def _teacher(settings: DGNetSettings, classes: int) -> Teacher:
    """A random one of the same backbone."""
    network = build(settings.arguments.get("backbone", "resnet50"))
    spec = InputSpec(height=settings.height, width=settings.width)
    return Teacher(network, torch.randn(classes, network.dimension), spec, spec)
