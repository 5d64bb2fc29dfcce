"""The runs of a camera: their ULIDs, and how many messages each has put.

The spool's folder keeps the last number of each finished run in ``runs`` (``RUN NUMBER`` a line);
that of the newest run is the last position of the spool. Together they say what was published
independently of what arrived.
"""

from __future__ import annotations

from pathlib import Path

from ulid import ULID

from pipeline.bus.spool import last_position
from pipeline.config import Site
from pipeline.records import Position

_RUNS_KEPT = 1_000


def spool_folder(site: Site, camera: str) -> Path:
    """Where the spool of ``camera`` lies."""
    return site.spool_dir / camera


def new_run(after: str) -> str:
    """A fresh ULID that sorts behind ``after`` (a ULID, or empty), also if the clock went back."""
    run = ULID()
    if str(run) <= after:
        run = ULID.from_int(int(ULID.from_str(after)) + 1)
    return str(run)


def note_run(folder: Path, last: Position) -> None:
    """Writes down the last position of a run that is over."""
    numbers = {**_noted(folder), last.run: last.number}
    kept = sorted(numbers.items())[-_RUNS_KEPT:]
    fresh = folder / "runs.new"
    fresh.write_text("".join(f"{run} {number}\n" for run, number in kept))
    fresh.replace(folder / "runs")


def last_numbers(site: Site, camera: str) -> dict[str, int]:
    """How many messages each run of ``camera`` has published, by its ULID: the latest
    1,000 runs, those of the supervisor's announcements included.
    """
    folder = spool_folder(site, camera)
    newest = last_position(folder)
    return {**_noted(folder), **({newest.run: newest.number} if newest else {})}


def _noted(folder: Path) -> dict[str, int]:
    try:
        lines = (folder / "runs").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {run: int(number) for run, number in (line.split() for line in lines)}
