"""The view generator of a run of GCL that is done."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from pydantic import ValidationError

from reid_models.networks.network import Network
from reid_models.weights import read_encoder
from train.errors import TrainError
from train.generation.view_quality import Views
from train.generation.views import ViewGenerator
from train.loop.checkpoint import NAME as CHECKPOINT
from train.loop.checkpoint import read_checkpoint
from train.methods.gcl_settings import GclSettings, structure_maps


def load_views(run: Path) -> Views:
    """The generator, in evaluation mode, with the maps of the images that it learnt from.

    Args:
        run: folder with checkpoint and encoder.

    Raises:
        TrainError: there is no checkpoint of that method, or the maps are gone.
        EncoderError: the encoder is missing.
    """
    identity, state = read_checkpoint(run / CHECKPOINT)
    if identity.get("method") != "gcl":
        raise TrainError(f"{run}: is of the method {identity.get('method')}, not of gcl")
    network, description = read_encoder(run / "encoder.safetensors")
    spec = description.input
    try:
        settings = GclSettings.model_validate(identity["settings"])
        generator = ViewGenerator(
            cast(Network, network), settings.parts, settings.generator.width, spec
        )
        prefix = "generator."
        weights = state["models"]["model"]
        generator.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items()})
    except (ValidationError, RuntimeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainError(f"{run / CHECKPOINT}: was made by another version ({reason})") from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Views(generator.eval().to(device), structure_maps(settings), spec)
