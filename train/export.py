"""An encoder as a file to take elsewhere: ONNX with its description beside it, or safetensors."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
import yaml

from reid_models import Description, load_encoder, save_encoder
from reid_models.weights import read_encoder
from train.errors import TrainError

TOLERANCE = 1e-4  # by which any number of an embedding may differ after the export
_OPSET = 17
_CROPS = 16  # made-up crops that the two are compared on


def export_encoder(source: Path, target: Path) -> float:
    """Writes ``target``, and compares the embeddings of the two.

    An ``.onnx`` file has its description beside it, as ``NAME.yaml``. What is written appears only
    if the embeddings agree.

    Args:
        source: an encoder file (.safetensors).
        target: the file to write, ``.onnx`` or ``.safetensors``.

    Returns:
        The largest difference of any number of an embedding, at most `TOLERANCE`.

    Raises:
        TrainError: the target has another ending, or what was exported gives something else.
        EncoderError: the source is no encoder file.
    """
    if target.suffix not in (".onnx", ".safetensors"):
        raise TrainError(f"{target}: the name of an exported encoder ends in .onnx or .safetensors")
    network, description = read_encoder(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.partial{target.suffix}")
    beside = partial.with_suffix(".yaml")
    try:
        if target.suffix == ".onnx":
            _write_onnx(network, description, partial)
            beside.write_text(_yaml(description), encoding="utf-8")
        else:
            save_encoder(partial, network, description)
        difference = largest_difference(source, partial)
        if not difference <= TOLERANCE:
            raise TrainError(
                f"{source}: after the export embeddings differ by {difference:.1e}, more than "
                f"{TOLERANCE:.0e}; nothing was written"
            )
        if beside.exists():
            beside.replace(target.with_suffix(".yaml"))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)
    return difference


def largest_difference(one: Path, other: Path) -> float:
    """Of any number of the embeddings that two encoder files give the same crops, on the CPU."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(24, 300, (_CROPS, 2))
    crops = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in sizes.tolist()]
    first, second = (load_encoder(path, "cpu").embed(crops) for path in (one, other))
    return float(np.abs(first - second).max())


def _write_onnx(network: torch.nn.Module, description: Description, target: Path) -> None:
    spec = description.input
    pictures = torch.zeros(2, 3, spec.height, spec.width)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of torch's own, about the way we chose
        torch.onnx.export(
            network,
            (pictures,),
            str(target),
            opset_version=_OPSET,
            input_names=["crops"],
            output_names=["embeddings"],
            dynamic_axes={"crops": {0: "n"}, "embeddings": {0: "n"}},
            dynamo=False,
        )


def _yaml(description: Description) -> str:
    kept = description.model_dump(mode="json", exclude={"architecture", "arguments"})
    return yaml.safe_dump(kept, sort_keys=False)
