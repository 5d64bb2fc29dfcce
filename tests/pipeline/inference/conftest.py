from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.inference.networks import write_detector, write_encoder


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of one class, "person", that nobody trained."""
    return write_detector(tmp_path_factory.mktemp("weights") / "detector.pt")


@pytest.fixture(scope="session")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("weights") / "encoder.safetensors")
