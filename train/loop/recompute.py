"""Gradient checkpointing: less memory for about a third more time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from train.errors import TrainError


def recompute_activations(network: nn.Module) -> None:
    """Let each stage of ``network`` compute its activations again when gradients need them.

    A stage is a module with children in one of the outermost ``nn.Sequential``.

    Raises:
        TrainError: the network has none.
    """
    stages = list(_stages(network))
    if not stages:
        raise TrainError(
            f"gradient_checkpointing: {type(network).__name__} is not made of stages; "
            "set gradient_checkpointing=false"
        )
    for stage in stages:
        stage.forward = partial(_forward, stage, stage.forward)


def _stages(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if not isinstance(child, nn.Sequential):
            yield from _stages(child)
        else:
            yield from (stage for stage in child if any(True for _ in stage.children()))


def _forward(stage: nn.Module, forward: Any, *inputs: Any) -> Any:
    if not stage.training:
        return forward(*inputs)
    contexts = partial(_contexts, stage)
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts)


def _contexts(stage: nn.Module) -> tuple[Any, Any]:
    return nullcontext(), statistics_kept(stage)


@contextmanager
def statistics_kept(stage: nn.Module) -> Iterator[None]:
    """Keep a pass from being counted in batch norm's running statistics, e.g. a second time."""
    norms = [module for module in stage.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
