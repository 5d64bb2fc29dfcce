"""`camtrail bench` as the command line calls it: more and more cameras, a table, a picture."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.bench.picture import draw
from pipeline.bench.step import BenchOptions, Step, named, run_step
from pipeline.errors import CamtrailError
from pipeline.output import plain, print_json

PICTURE, RESULT = "bench.html", "bench.json"


def run(out: Path, most: int, options: BenchOptions, *, as_json: bool) -> None:
    """Doubles the cameras up to ``most``, or until the machine no longer keeps up.

    Raises:
        CamtrailError: ``out`` cannot be written, or a step fails.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CamtrailError(f"{out}: cannot be made: {error.strerror}") from None
    steps: list[Step] = []
    for cameras in numbers(most):
        with tempfile.TemporaryDirectory(prefix="camtrail-bench-") as folder:
            try:
                steps.append(run_step(Path(folder), cameras, options, _tell))
            except CamtrailError:
                _keep_log(Path(folder), out)
                raise
        _tell(_words(steps[-1]))
        if not steps[-1].keeps_up:
            break
    result: dict[str, Any] = {
        "steps": [{**asdict(step), "keeps_up": step.keeps_up} for step in steps],
        "options": asdict(options),
        "picture": out / PICTURE,
    }
    (out / PICTURE).write_text(draw(steps, options), encoding="utf-8")
    (out / RESULT).write_text(json.dumps(plain(result), indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        show(steps, Console())
        print(f"The same as a picture: {out / PICTURE}")


def numbers(most: int) -> Iterator[int]:
    """1, 2, 4 ... and ``most`` itself."""
    cameras = 1
    while cameras < most:
        yield cameras
        cameras *= 2
    yield most


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _keep_log(folder: Path, out: Path) -> None:
    log = folder / "run.log"
    if log.exists():
        shutil.copy(log, out / log.name)
        _tell(f"what `camtrail run` said is in {out / log.name}")


def _words(step: Step) -> str:
    fate = "keeps up" if step.keeps_up else "does not keep up"
    return f"{named(step.cameras)}: {step.fps:.1f} frames a second each; {fate}"


def show(steps: Sequence[Step], console: Console) -> None:
    """The table; nothing of it is cut in a terminal of 80 columns."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Live cameras on this machine",
        title_justify="left",
        collapse_padding=True,
        pad_edge=False,
    )
    columns = ("cameras", "frames/s", "in all", "delay", "90 %", "identity", "IDF1", "")
    for name in columns:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for step in steps:
        table.add_row(
            str(step.cameras),
            f"{step.fps:.1f} of {step.asked_fps:g}",
            f"{step.total_fps:.1f}",
            f"{step.delay:.2f} s",
            f"{step.delay_p90:.2f} s",
            f"{step.identity_after:.1f} s",
            f"{step.idf1:.3f}",
            "keeps up" if step.keeps_up else "too slow",
        )
    console.print(table)
    console.print(
        "[dim]frames/s: of the slowest camera. delay: from the moment of a decision until it can "
        "be read in the store. identity: from coming into view to that moment, median. "
        "IDF1: of the frames that were seen; the sites differ.[/dim]"
    )
