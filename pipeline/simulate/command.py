"""What `camtrail simulate` does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.output import print_json
from pipeline.simulate.crops import CropOptions, simulate_crops
from pipeline.simulate.site import SiteOptions, simulate_site


def simulate(
    out: Path,
    seed: int,
    cameras: int,
    people: int,
    seconds: float,
    fps: float,
    overlap: bool,
    crops: bool,
    json: bool,
) -> None:
    """Renders a site to `out`, with `crops` also re-id crops to `out`/crops, and says where.

    Progress goes to stderr, and only to a terminal. Raises CamtrailError for bad options and for
    a folder that holds anything but a former simulation.
    """
    options = SiteOptions(seed, cameras, people, seconds, fps, overlap)
    crop_options = CropOptions(seed)
    with _progress("Rendering") as report:
        site = simulate_site(out, options, report)
    if crops:
        with _progress("Cutting crops") as report:
            simulate_crops(out / "crops", crop_options, report)
    if json:
        print_json(
            {
                "site": site,
                "frames": options.frames * cameras,
                "crops": out / "crops" if crops else None,
            }
        )
        return
    print(f"{cameras} cameras, {people} people, {seconds:g} s: {out}")
    if crops:
        print(f"{crop_options.total} crops in the layout of Market-1501: {out / 'crops'}")
    print(f"Next: camtrail run {site} --until-end && camtrail evaluate {site} --truth {out}")


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
