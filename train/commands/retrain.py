"""`camtrail-train retrain`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from train.commands.methods import Preset
from train.commands.options import Changes, Device, Json, Seed, command_line, print_values
from train.commands.progress import progress_bar

if TYPE_CHECKING:
    from train.retrain.steps import Outcome


def retrain(
    site: Annotated[Path, typer.Option("--site", help="The site.yaml of the site.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; new or empty.")],
    method: Annotated[str, typer.Option("--method", help="ice or abmt.")] = "ice",
    settings: Preset = "default",
    changes: Changes = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Only crops since: a date and time, or 30m, 12h, 7d ago."),
    ] = None,
    test: Annotated[
        float,
        typer.Option(
            "--test",
            min=0.05,
            max=0.9,
            help="Share of the tracklets, the newest, that is kept to measure on.",
        ),
    ] = 0.25,
    promote: Annotated[
        bool, typer.Option("--promote", help="Take the new encoder into use if it is better.")
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Train the encoder in use further on the crops that the site collected, without labels, and
    say whether it got better.

    camtrail-train retrain --site site.yaml --out runs/retrained --promote

    torchrun --nproc-per-node 2 --no-python camtrail-train retrain --site ... --out ...
    """
    from train.retrain.steps import Wish
    from train.retrain.steps import promote as take
    from train.retrain.steps import retrain as go

    wish = Wish(site, method, settings, tuple(changes or []), since, test, seed)
    outcome = go(wish, out, resume, progress_bar, device, command_line())
    if outcome is None:  # of several processes the first has it
        return
    if promote and outcome.better:
        take(wish, outcome)
        outcome = replace(outcome, promoted=True)
    if as_json:
        print_values(asdict(outcome), as_json)
        return
    for line in _lines(outcome, promote):
        print(line)


def _lines(outcome: Outcome, wanted: bool) -> list[str]:
    """What came of it, in words."""
    measured = f"{outcome.gain:+.3f} ({outcome.low:+.3f} to {outcome.high:+.3f})"
    lines = [f"gain of {outcome.measure}, judged by {outcome.judged_by}: {measured}"]
    if outcome.judged_by == "tracklets":
        lines.append(
            "too few confirmed people are among the newest tracklets, so this says only whether "
            "the way from a tracklet to other cameras and home leads to the same person more "
            "often than before"
        )
    if not outcome.better:
        lines.append("the new encoder is not better beyond doubt; the one in use stays")
    elif outcome.promoted:
        lines.append(f"the new encoder is better, and in use: {outcome.encoder}")
    else:
        lines.append(f"the new encoder is better: {outcome.encoder}")
        if not wanted:
            lines.append("take it into use with --resume --promote")
    lines.append(f"wrote {outcome.comparison}")
    return lines
