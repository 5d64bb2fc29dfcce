"""The same tests on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgresql import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a store in which there is nothing yet. Its crops are in the working directory."""
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'camtrail.sqlite'}"
    server: Server = request.getfixturevalue("postgresql")
    return server.empty()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'camtrail.sqlite'}"
