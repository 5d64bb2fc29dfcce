"""`camtrail-train results`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import Changes, Data, command_line, open_to_measure

Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many, from 0.")]
Page = Annotated[
    Path | None, typer.Option("--page", help="Where the page goes; default: OUT/RESULTS.md.")
]


def results(
    out: Annotated[Path, typer.Option("--out", help="Folder of the trainings; those done stay.")],
    data: Data = "simulated",
    seeds: Seeds = 3,
    changes: Changes = None,
    page: Page = None,
) -> None:
    """Measure baseline with triplets, baseline with FIDI, and SCR over several seeds.

    camtrail-train results --out runs/results --page train/RESULTS.md
    """
    from train.files import write_text
    from train.results import colour_histogram, markdown, run_all

    opened = open_to_measure(data)
    lines = run_all(opened, out, range(seeds), changes or [], command_line())
    text = markdown(lines, colour_histogram(opened), opened, command_line())
    file = page or out / "RESULTS.md"
    write_text(file, text)
    print(text, end="")
