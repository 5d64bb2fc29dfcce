"""A model whose weights follow another's: mean teacher, momentum encoder."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from train.loop.recompute import statistics_kept


class Teacher(nn.Module):
    """A copy of a model that learns by following it alone.

    H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), equations 4.3 and 6.2.
    Its batch norm uses a batch's own statistics in training, as the original's does; those that it
    keeps follow the original's too, so that all processes have the same.

    Args:
        model: what is copied and followed.
        momentum: share of itself that it keeps at a step, in [0, 1).
        ramp: the n-th step keeps no more than n / (n + 1), so that the start is soon forgotten.
    """

    steps: Tensor

    def __init__(self, model: nn.Module, momentum: float, ramp: bool) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._momentum, self._ramp = momentum, ramp

    @torch.no_grad()
    def follow(self, original: nn.Module) -> None:
        """Call after each change of the original's weights."""
        self.steps += 1
        change: Tensor | float = 1 - self._momentum
        if self._ramp:  # on the device, which need not wait for it
            change = (1 / (self.steps + 1)).clamp(min=change)
        theirs = original.state_dict()
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                value.lerp_(theirs[name], change)
            else:
                value.copy_(theirs[name])

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        with statistics_kept(self.model):
            return self.model(*inputs)
