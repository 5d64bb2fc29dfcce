"""Fixtures that tests of several packages share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.folders import close_run, open_run
from tests.postgresql import Server, running_server
from tests.side_by_side import Files

# How long an example takes says how busy the machine is. And the same examples every time.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# As in production; read by OpenMP when torch loads it, and inherited by the programs under test.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Two files are tested at a time: threads of one would wait for those of the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Else each of them compiles its libraries anew, which takes most of the time of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
FIRST = "PYTEST_XDIST_WORKER" not in os.environ
if FIRST:  # and not where the user's own programs keep theirs; read when pipeline is imported
    os.environ["CAMTRAIL_CACHE"] = str(open_run() / "cache")


def pytest_unconfigure() -> None:
    if FIRST:
        close_run()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Files:
    return Files(config, log)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real videos and weights; tests that use it are marked ``realdata``."""
    named = os.environ.get("CAMTRAIL_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set CAMTRAIL_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One server for all tests of a process; each takes a schema of its own from it."""
    with running_server() as server:
        if server is None:
            pytest.skip("no PostgreSQL (Debian package postgresql) on this machine")
        yield server
