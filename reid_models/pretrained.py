"""Weights that a network starts from: ImageNet's, a file, or none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torchvision import models

from reid_models.errors import EncoderError
from reid_models.networks.network import Network

State = dict[str, Tensor]

_IBN_NET = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/"
# The first ImageNet weights of torchvision, which published re-identification figures start from.
_IMAGENET = {
    "resnet18": models.ResNet18_Weights.IMAGENET1K_V1.url,
    "resnet50": models.ResNet50_Weights.IMAGENET1K_V1.url,
    "resnet101": models.ResNet101_Weights.IMAGENET1K_V1.url,
    "densenet121": models.DenseNet121_Weights.IMAGENET1K_V1.url,
    "resnet18_ibn_a": _IBN_NET + "resnet18_ibn_a-2f571257.pth",
    "resnet50_ibn_a": _IBN_NET + "resnet50_ibn_a-d9d0bb7b.pth",
    "resnet101_ibn_a": _IBN_NET + "resnet101_ibn_a-59ea0ac6.pth",
}
_BY_FILE = ("osnet_x1_0", "osnet_x0_25")  # published where only a person can download them
_FILES = (".pth", ".pt", ".safetensors")
_WRAPPERS = ("state_dict", "model")  # keys under which checkpoints of other projects keep weights
_PREFIXES = ("module.", "backbone.", "trunk.", "features.")
_HEADS = ("fc.", "classifier.", "heads.", "project.", "pooling.", "neck.")
_COUNTER = "num_batches_tracked"
_ENOUGH = 0.8  # of the weights of network and file together; ResNet-50 and -101 share 0.55
_NAMED = 3  # names in a message


@dataclass(frozen=True)
class Loaded:
    """What became of the weights.

    Attributes:
        source: as it was asked for.
        loaded: tensors of the network that now hold the source's weights.
        left: names of the backbone's tensors that were not in the source and stay as they were.
        unused: names of the source's tensors that the network has no place for, without heads.
    """

    source: str
    loaded: int = 0
    left: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def load_backbone(model: Network, source: str) -> Loaded:
    """Give ``model`` its first weights.

    Weights of a backbone may carry the prefixes ``module.``, ``backbone.``, ``trunk.`` and
    ``features.`` and lie under ``state_dict`` or ``model``; classifiers and other heads are
    passed over. An encoder
    file of the same architecture and arguments is loaded whole, its neck included. A backbone
    that fits for the most part is loaded, with a warning that names what stays random.

    Args:
        model: as `reid_models.build` gives it.
        source: ``imagenet`` (downloaded once, into torch.hub's cache), ``none`` (random weights,
            with a warning where there are public ones to miss), or the path of a ``.pth``,
            ``.pt`` or ``.safetensors`` file.

    Raises:
        EncoderError: there is no such file or network connection, the file is not a state dict,
            holds numbers that are not finite, or belongs to another architecture.
    """
    if source == "none":
        if model.backbone in (*_IMAGENET, *_BY_FILE):
            ways = "imagenet or a file" if model.backbone in _IMAGENET else "a file"
            warnings.warn(
                f"{model.backbone} starts from random weights, and will need far more images and "
                f"epochs than from pretrained ones; they come from {ways}",
                stacklevel=2,
            )
        return Loaded(source)
    content = _download(model.backbone) if source == "imagenet" else _read(Path(source))
    loaded = _fit(model, _clean(content, source), source)
    if loaded.left:
        warnings.warn(f"{source}: {_some(loaded.left, 'not in it, left random')}", stacklevel=2)
    return loaded


def _download(name: str) -> object:
    if name not in _IMAGENET:
        raise EncoderError(
            f"no ImageNet weights are known for {name}; name a file of weights, or none"
        )
    url = _IMAGENET[name]
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError, HTTPException) as error:
        raise EncoderError(
            f"cannot download {url} ({error}); download it where there is a network and name "
            "the file, or say none"
        ) from None


def _read(path: Path) -> object:
    if path.suffix not in _FILES:
        raise EncoderError(
            f"{path}: weights are imagenet, none, or a file that ends in {', '.join(_FILES)}"
        )
    if not path.is_file():
        raise EncoderError(f"{path}: no such file of weights")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"{path}: truncated or not a safetensors file ({error})") from None
    except Exception as error:  # torch raises many classes for a damaged file
        reason = str(error).partition("\n")[0]
        raise EncoderError(
            f"{path}: truncated, or holds more than tensors, which is not unpickled ({reason}); "
            "save its state dict alone with torch.save"
        ) from None


def _clean(content: object, source: str) -> State:
    """The weights by public name."""
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = content.items() if isinstance(content, dict) else ()
    state = {_public_name(str(key)): value for key, value in tensors if isinstance(value, Tensor)}
    state = {key: value for key, value in state.items() if not key.endswith(_COUNTER)}
    if not state:
        raise EncoderError(f"{source}: holds no state dict (names with tensors)")
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise EncoderError(f"{source}: {key} holds numbers that are not finite")
    return state


def _public_name(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    # torchvision's files of DenseNet still have the names of a time when they could hold dots.
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key)


def _fit(model: Network, state: State, source: str) -> Loaded:
    whole = {_public_name(k): v for k, v in model.state_dict().items() if not k.endswith(_COUNTER)}
    if whole.keys() == state.keys() and all(whole[k].shape == state[k].shape for k in whole):
        return _copy(list(whole.items()), state, source)
    wanted = [
        (prefix + name, tensor)
        for prefix, part in model.backbone_parts()
        for name, tensor in part.state_dict().items()
        if not name.endswith(_COUNTER)
    ]
    fitting = [(k, v) for k, v in wanted if k in state and state[k].shape == v.shape]
    fits = {name for name, _ in fitting}
    left = {name: tensor for name, tensor in wanted if name not in fits}
    unused = {name: tensor for name, tensor in state.items() if name not in fits}
    _check_enough(model.backbone, [state[name] for name in fits], left, unused, source)
    done = _copy(fitting, state, source)
    return replace(done, left=tuple(left), unused=tuple(_without_heads(unused)))


def _check_enough(name: str, fits: list[Tensor], left: State, unused: State, source: str) -> None:
    unfit = {**_without_heads(unused), **_without_heads(left)}
    fitting, others = (sum(map(Tensor.numel, some)) for some in (fits, unfit.values()))
    if fitting < _ENOUGH * (fitting + others):
        raise EncoderError(
            f"{source}: weights of another architecture than {name}: "
            f"{_some(left, 'missing or of another shape')}, {_some(unused, 'without a place')}"
        )


def _without_heads(tensors: State) -> State:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_HEADS)}


def _copy(places: list[tuple[str, Tensor]], state: State, source: str) -> Loaded:
    with torch.no_grad():
        for name, tensor in places:
            tensor.copy_(state[name])
    return Loaded(source, len(places))


def _some(names: Collection[str], what: str) -> str:
    shown = ", ".join(sorted(names)[:_NAMED])
    return f"{len(names)} tensors {what}" + (f" (such as {shown})" if names else "")
