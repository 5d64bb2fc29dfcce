"""Optimisers and the course of their learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from train.loop.settings import OptimizerSettings


def make_optimizer(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """The optimiser of all weights of ``model`` that learn."""
    rate, groups = settings.learning_rate, _groups(model, settings)
    match settings.optimizer:
        case "adamw":
            return AdamW(groups, lr=rate)
        case "adam":
            return Adam(groups, lr=rate)
        case "amsgrad":
            return Adam(groups, lr=rate, amsgrad=True)
        case "sgd":
            return SGD(groups, lr=rate, momentum=0.9)


def _groups(model: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Weight decay is for matrices and kernels; it mostly harms normalisation."""
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices, vectors = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
    decay = settings.weight_decay
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": decay if settings.decay_norms else 0.0},
    ]


def make_rate(settings: OptimizerSettings, epochs: int) -> Callable[[float], float]:
    """The share of ``learning_rate`` at a fractional epoch, 0 being the start of training.

    It rises in a straight line from ``warmup_from`` to 1 over ``warmup_epochs``. After that it
    stays (``constant``), is multiplied by ``decay`` at each of the ``milestones`` (``step``), or
    falls to 0 in half a cosine (``cosine``).
    """

    def rate(epoch: float) -> float:
        warmup = settings.warmup_epochs
        if epoch < warmup:
            return settings.warmup_from + (1 - settings.warmup_from) * epoch / warmup
        match settings.schedule:
            case "constant":
                return 1.0
            case "step":
                passed = sum(epoch >= milestone for milestone in settings.milestones)
                return float(settings.decay**passed)
            case "cosine":
                done = min((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0)
                return 0.5 * (1 + math.cos(math.pi * done))

    return rate
