"""What several commands share: their options, how they open data, and how they print.

Nothing here imports torch, which takes seconds that ``--help`` need not wait for.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from train.data import DataSet

DATA_HELP = (
    "A folder, recognised by what it holds; NAME:FOLDER, for example viper:/data/VIPeR,split=3 "
    "(`camtrail-train data --help` has the names); or simulated people: simulated, or for example "
    "simulated:seed=9002,train_identities=300."
)
Data = Annotated[str, typer.Option("--data", help=DATA_HELP)]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run; new or empty.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; a.b=VALUE for nested ones."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from RUN/checkpoint.pt.")]


def is_first_process() -> bool:
    """Whether to speak: of several processes of torchrun one is enough."""
    return os.environ.get("RANK", "0") == "0"


def open_named(name: str) -> DataSet:
    """The data set of ``--data``; says on stderr what is odd about it, and what was left out."""
    from train.data import open_data

    data = open_data(name)
    if not is_first_process():
        return data
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    for line in data.left_out[:20]:
        print(f"left out: {line}", file=sys.stderr)
    if len(data.left_out) > 20:
        print(f"left out: {len(data.left_out) - 20} more files", file=sys.stderr)
    return data


def open_to_measure(name: str) -> DataSet:
    """As `open_named`.

    Raises:
        TrainError: the data have no test part.
    """
    from train.errors import TrainError

    data = open_named(name)
    if not data.query or not data.gallery:
        raise TrainError(
            f"{name}: has no test part (query and gallery) to measure on; give data that have "
            "one (`camtrail-train data` shows what they hold)"
        )
    return data


def print_values(values: dict[str, Any], as_json: bool, note: str = "") -> None:
    """One JSON object, or a line a value and a note, on stdout."""
    if as_json:
        print(json.dumps(values))
        return
    console = Console()
    for key, value in values.items():
        console.print(f"{key:>22}  {value}", highlight=False, soft_wrap=True)
    if note:
        console.print(note, highlight=False, soft_wrap=True)


def command_line() -> str:
    """The command as it was given, for ``run.json``."""
    return shlex.join(["camtrail-train", *sys.argv[1:]])
