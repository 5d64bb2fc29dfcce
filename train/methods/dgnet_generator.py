"""The generator that a run of DG-Net has learned."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from reid_models import InputSpec, build
from reid_models.networks.dgnet import DGNet
from train.errors import TrainError
from train.generation.generator import Generator
from train.loop.checkpoint import NAME as CHECKPOINT
from train.loop.checkpoint import read_checkpoint
from train.methods.dgnet_features import DGNetSettings


def load_generator(run: Path, device: str = "auto") -> tuple[Generator, InputSpec]:
    """The generator of a run of ``camtrail-train dgnet``, in evaluation mode, and its images' spec.

    Args:
        run: folder with the run's checkpoint; it need not be finished.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        TrainError: there is no checkpoint of that method, or the device is not there.
    """
    identity, state = read_checkpoint(run / CHECKPOINT)
    if identity.get("method") != "dgnet":
        raise TrainError(
            f"{run}: is of the method {identity.get('method')}; runs of dgnet have a generator "
            "(what the DCGANs of slsr made lies in RUN/steps)"
        )
    try:
        settings = DGNetSettings.model_validate(identity["settings"])
        network = build(settings.architecture, **settings.arguments)
        assert isinstance(network, DGNet)
        spec = InputSpec(height=settings.height, width=settings.width)
        generator = Generator(network, settings.generator.width, settings.generator.aspp, spec)
        prefix = "generator."
        weights: dict[str, Tensor] = state["models"]["model"]
        generator.load_state_dict(
            {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        )
    except (ValidationError, RuntimeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainError(f"{run / CHECKPOINT}: was made by another version ({reason})") from None
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return generator.eval().to(device), spec
    except (RuntimeError, AssertionError) as error:
        raise TrainError(f"device {device!r} cannot be used ({error})") from None
