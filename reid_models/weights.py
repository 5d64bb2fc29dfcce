"""The encoder file: weights and description in one ``.safetensors`` file. Nothing is unpickled."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reid_models.description import Description
from reid_models.errors import EncoderError
from reid_models.header import KEY, read_header
from reid_models.networks import build

_COUNTER = "num_batches_tracked"  # of batch norm; inference does not use it


def save_encoder(path: str | Path, model: nn.Module, description: Description) -> None:
    """Write weights and description; the file appears whole or not at all.

    Matrices and kernels are stored in half precision, the vectors of normalisation in full.
    """
    path = Path(path)
    tensors = {
        name: (value.half() if value.ndim >= 2 else value.float()).contiguous().cpu()
        for name, value in model.state_dict().items()
        if not name.endswith(_COUNTER)
    }
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={KEY: description.model_dump_json()})
    partial.replace(path)


def read_encoder(path: Path) -> tuple[nn.Module, Description]:
    """The network with its weights (float32, evaluation mode, on the CPU) and its description.

    Raises:
        EncoderError: the file is missing, truncated, not an encoder, or contradicts itself.
    """
    description = read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise EncoderError(
            f"{path}: truncated or not a safetensors file ({error}); copy or export it again"
        ) from None
    return _assemble(path, description, tensors), description


def _assemble(path: Path, description: Description, tensors: dict[str, Tensor]) -> nn.Module:
    try:
        with torch.device("meta"):
            model = build(description.architecture, **description.arguments)
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}") from None
    if model.dimension != description.dimension:
        raise EncoderError(
            f"{path}: the description says dimension {description.dimension}, "
            f"but {description.architecture} with its arguments gives {model.dimension}"
        )
    wanted = {k: v for k, v in model.state_dict().items() if not k.endswith(_COUNTER)}
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - tensors.keys())]
    faults += [f"{name} is not expected" for name in sorted(tensors.keys() - wanted.keys())]
    faults += [
        f"{name} is {tuple(tensors[name].shape)} where {tuple(wanted[name].shape)} is expected"
        for name in sorted(wanted.keys() & tensors.keys())
        if tensors[name].shape != wanted[name].shape
    ]
    faults += [f"{k} holds numbers that are not finite" for k, v in tensors.items() if not _ok(v)]
    if faults:
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise EncoderError(
            f"{path}: weights do not fit {description.architecture}: {'; '.join(faults[:3])}{more}"
        )
    model = build(description.architecture, **description.arguments)
    model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    return model.eval().requires_grad_(False)


def _ok(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(torch.isfinite(tensor).all())
