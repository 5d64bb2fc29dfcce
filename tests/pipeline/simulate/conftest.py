"""A small site, rendered once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.simulate import SiteOptions, simulate_site

OPTIONS = SiteOptions(seed=31, cameras=4, people=8, seconds=30, fps=5, overlap=True)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four cameras, the first two of which face each other."""
    return simulate_site(tmp_path_factory.mktemp("site"), OPTIONS)
