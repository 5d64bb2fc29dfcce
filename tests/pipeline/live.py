"""A small simulated site for tests that run the real programs."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from pipeline.config import Site, load_site
from pipeline.simulate import SiteOptions, simulate_site
from tests.folders import made_once


def small_site(folder: Path, seconds: float, cameras: int = 2) -> tuple[Path, Site]:
    """``site.yaml`` of simulated cameras, and what it says."""
    options = SiteOptions(seed=5, cameras=cameras, people=6, seconds=seconds)
    made = made_once(f"site-{cameras}-{seconds:g}", lambda empty: simulate_site(empty, options))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    path = folder / "site.yaml"
    return path, load_site(path)


def stored_updates(site: Site) -> list[tuple[str, str, int, int]]:
    """``(camera, run, track, seq)`` of every update in the store, read without our own code."""
    with sqlite3.connect(site.data_dir / "camtrail.sqlite") as store:
        return store.execute(
            "SELECT t.camera, t.run, t.track, u.seq FROM updates u "
            "JOIN tracklets t ON t.id = u.tracklet"
        ).fetchall()
