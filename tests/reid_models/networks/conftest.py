"""Networks whose weights and statistics are not those of a fresh one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn


def lived_in(model: nn.Module, seed: int = 0) -> nn.Module:
    """Make every vector of normalisation matter, as training would."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor: torch.Tensor, low: float, high: float) -> None:
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d):
                uniform(module.weight, 0.3, 0.9)
                uniform(module.bias, -0.2, 0.3)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                uniform(module.running_mean, -0.3, 0.3)
                uniform(module.running_var, 0.5, 1.5)
    return model.eval()


@pytest.fixture(name="lived_in")
def lived_in_fixture() -> Callable[..., nn.Module]:
    return lived_in


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1))
