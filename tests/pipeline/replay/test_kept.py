"""Recorded simulated sites, replayed and evaluated: who is who must not get worse.

The recordings are those of `tests.pipeline.replay.keep_sites`. IDF1 is 0.948 (mall), 0.940 (yard)
and 0.845 (hall, whose two cameras overlap); the floors lie a little below, so that a change of the
matcher that costs a person shows.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.config import load_site
from pipeline.evaluate.command import evaluate_site
from pipeline.replay.command import run_replay
from tests.pipeline.replay.keep_sites import KEPT, SITES

FLOORS = {"yard": 0.92, "hall": 0.82, "mall": 0.93}


@pytest.mark.parametrize("name", sorted(SITES))
def test_who_is_who_on_a_recorded_site(tmp_path: Path, name: str) -> None:
    run_replay(KEPT / f"{name}.camtrail", None, tmp_path / "out", as_json=True)
    with zipfile.ZipFile(KEPT / f"{name}.truth.zip") as packed:
        packed.extractall(tmp_path / "truth")
    result = evaluate_site(load_site(tmp_path / "out" / "site.yaml"), tmp_path / "truth")
    assert result.overall.idf1 >= FLOORS[name]
    assert result.false_merges <= 1


def test_the_recordings_stay_small() -> None:
    assert sum(file.stat().st_size for file in KEPT.iterdir()) < 300_000
