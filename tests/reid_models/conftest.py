"""An encoder file with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reid_models import Description, InputSpec, build, save_encoder


@pytest.fixture(scope="session")
def network() -> nn.Module:
    """A small network whose batch norms have seen data, so that folding them matters."""
    torch.manual_seed(3)
    model = build("stripenet", dimension=32)
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8, 3, 128, 64))
    return model.eval()


@pytest.fixture(scope="session")
def description() -> Description:
    return Description(
        input=InputSpec(height=128, width=64),
        dimension=32,
        architecture="stripenet",
        arguments={"dimension": 32},
    )


@pytest.fixture
def encoder_file(tmp_path: Path, network: nn.Module, description: Description) -> Path:
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, network, description)
    return path


@pytest.fixture(scope="session")
def crops() -> list[np.ndarray]:
    """RGB crops of different sizes, smaller and larger than the input."""
    rng = np.random.default_rng(5)
    sizes = [(180, 70), (60, 25), (128, 64), (300, 40), (9, 200)]
    return [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes]
