from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.inference.networks import untrained


@pytest.fixture(scope="session")
def weights() -> Path:
    """A detector of one class, "person", that nobody trained."""
    return untrained()[0]


@pytest.fixture(scope="session")
def encoder_file() -> Path:
    return untrained()[1]
