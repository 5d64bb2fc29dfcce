"""`camtrail crops export` as the command line calls it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Site
from pipeline.crops.export import Summary, export
from pipeline.crops.folder import GALLERY
from pipeline.crops.selection import Labels, Selection
from pipeline.errors import CamtrailError
from pipeline.output import print_json
from pipeline.people import parse_time


def run(
    site: Site,
    out: Path,
    labels: str,
    since: str | None,
    until: str | None,
    cameras: Sequence[str],
    min_quality: float,
    test: float,
    *,
    as_json: bool,
) -> None:
    """Exports, and prints what there is in the folder now."""
    if labels not in list(Labels):
        raise CamtrailError(f"--labels {labels}: is one of {', '.join(Labels)}")
    now = time.time()
    selection = Selection(
        Labels(labels),
        None if since is None else parse_time(since, now, "--since"),
        None if until is None else parse_time(until, now, "--until"),
        tuple(cameras),
        min_quality,
        test,
    )
    summary = export(site, out, selection)
    if as_json:
        print_json(summary)
    else:
        _print(summary, selection)


def _print(summary: Summary, selection: Selection) -> None:
    for name, part in summary.parts.items():
        print(
            f"{name}: {part.images} crops of {part.identities} identities, "
            f"{part.tracklets} tracklets"
        )
    for source, images in sorted(summary.labels.items()):
        print(f"label {source}: {images} crops")
    for count, why in (
        (summary.unlabelled, f"without a label of the kind '{selection.labels}'"),
        (summary.unwanted, "of other cameras or times, or of lower quality"),
        (summary.missing, "whose file is gone"),
        (summary.blurred, "in which whole persons are hidden"),
    ):
        if count:
            print(f"left out: {count} crops {why}")
    if selection.test and GALLERY not in summary.parts:
        print("no test part: too few identities were seen by several cameras")
    print(f"wrote {summary.out}")
