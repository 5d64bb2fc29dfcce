"""`camtrail tune` as the command line calls it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.errors import CamtrailError
from pipeline.output import print_json
from pipeline.replay.command import progress_bar
from pipeline.tune.search import Setting, Tuned, tune


def run(
    files: Sequence[Path], truths: Sequence[Path], trials: int, jobs: int, *, as_json: bool
) -> None:
    """Tunes, and prints what it would gain and what to write into site.yaml.

    Raises:
        CamtrailError: there is not one ``--truth`` for each file, or `tune` cannot do with them.
    """
    if len(files) != len(truths):
        raise CamtrailError(
            f"{len(files)} recordings and {len(truths)} times --truth: give it once for each, in "
            "their order"
        )
    with progress_bar(f"Replaying with {trials} settings") as progress:
        sites = list(zip(files, truths, strict=True))
        result = tune(sites, trials, jobs or os.cpu_count() or 1, progress)
    if as_json:
        figures = {"gain": result.gain, "error": result.error, "pays": result.pays}
        print_json({**asdict(result), **figures})
    else:
        _print(result, Console())


def _print(result: Tuned, console: Console) -> None:
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Each site with what was best on the others",
        title_justify="left",
    )
    for name in ("held out", "IDF1 now", "tuned", "gain", "merges", "tuned", "with"):
        side: Literal["left", "right"] = "left" if name in ("held out", "with") else "right"
        table.add_column(name, justify=side, no_wrap=True)
    for held in result.held:
        table.add_row(
            held.site,
            f"{held.idf1_now:.3f}",
            f"{held.idf1:.3f}",
            f"{held.gain:+.3f}",
            str(held.false_merges_now),
            str(held.false_merges),
            "what it has" if held.setting is None else _brief(held.setting),
        )
    console.print(table)
    console.print(
        "[dim]merges: identities that hold two people. with: accept, new, patience.[/dim]"
    )
    print(
        f"On sites that had no part in the choice: {result.gain:+.3f} IDF1 in the mean, standard "
        f"error {result.error:.3f}."
    )
    if result.setting is None:
        print("What the sites have is the best that was tried: leave site.yaml as it is.")
    elif result.pays:
        print(f"For site.yaml, the best on all of them:\n\nmatcher: {_words(result.setting)}")
    else:
        print(
            "That is no more than chance may give: leave site.yaml as it is. The best on these "
            f"sites, for what it is worth:\n\nmatcher: {_words(result.setting)}"
        )


def _brief(setting: Setting) -> str:
    high, low = ("learned" if t is None else f"{t:.3f}" for t in (setting.accept, setting.new))
    return f"{high} {low} {setting.patience:.1f} s"


def _words(setting: Setting) -> str:
    """The line for site.yaml, and what follows from it."""
    given = {name: value for name, value in asdict(setting).items() if value is not None}
    line = ", ".join(f"{name}: {value}" for name, value in given.items())
    absent = [name for name in ("accept", "new") if name not in given]
    if setting.learns:
        return (
            f"{{{line}}}\n\nwithout {' and '.join(absent)}, so that the matcher goes on learning."
        )
    return (
        f"{{{line}}}\n\nWith both thresholds given the matcher no longer learns how alike people "
        "are on a site."
    )
