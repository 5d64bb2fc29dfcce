"""Access to a folder of data, at a time that the test tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from pipeline.viewer.access import passwords, users
from pipeline.viewer.access.access import Access

PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"


@dataclass
class Clock:
    now: float = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def quick_hashes() -> Iterator[None]:
    """argon2 with less work, for who hashes dozens of passwords."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", quick)
        patch.setattr(users, "NOBODYS", quick.hash(b""))
        yield


@pytest.fixture
def access(tmp_path: Path, clock: Clock, quick_hashes: None) -> Iterator[Access]:
    access = Access(tmp_path / "data", audit_days=30, clock=clock)
    yield access
    access.close()
