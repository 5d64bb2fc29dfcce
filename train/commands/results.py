"""`camtrail-train results`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import Changes, Data, command_line, open_to_measure


class Part(StrEnum):
    """A part of the page."""

    SUPERVISED = "supervised"
    GENERATIVE = "generative"
    UNSUPERVISED = "unsupervised"
    GCL = "gcl"


Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many, from 0.")]
Page = Annotated[
    Path | None, typer.Option("--page", help="Where the page goes; default: OUT/RESULTS.md.")
]
Judge = Annotated[
    Path | None,
    typer.Option("--judge", help="An encoder that looks at generated images; for generative."),
]


def results(
    part: Annotated[Part, typer.Argument(help="What to measure.", show_choices=True)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the trainings; those done stay.")],
    data: Data = "simulated",
    seeds: Seeds = 3,
    changes: Changes = None,
    judge: Judge = None,
    page: Page = None,
) -> None:
    """Measure several methods over several seeds, and put the tables on a page; those of all parts
    but the first are there after each training, as far as they are filled.

    camtrail-train results supervised --out runs/results --page train/RESULTS.md

    camtrail-train results generative --out runs/results --judge other.safetensors \
    --data simulated:seed=9400,train_identities=100,test_identities=50

    camtrail-train results unsupervised --data simulated:seed=9203 --out runs/results

    camtrail-train results gcl --data simulated:seed=9203 --out runs/results
    """
    from reid_models import load_encoder
    from train.errors import TrainError
    from train.results.gcl import gcl
    from train.results.generative import generative
    from train.results.page import put
    from train.results.supervised import supervised
    from train.results.unsupervised import unsupervised

    chosen = changes or []
    if part is Part.GENERATIVE and (judge is None or chosen):
        raise TrainError(
            "results generative: needs --judge ENCODER, one that is not trained here, and takes "
            "no --set"
        )
    growing = {Part.UNSUPERVISED: unsupervised, Part.GCL: gcl}
    if part in growing and chosen:
        raise TrainError(f"results {part}: takes no --set; its settings are fixed")
    encoder = load_encoder(judge) if judge is not None else None
    opened, command = open_to_measure(data), command_line()
    texts: Iterable[str]
    if part in growing:
        texts = growing[part](opened, out, range(seeds), command)
    elif encoder is None:
        texts = [supervised(opened, out, range(seeds), chosen, command)]
    else:
        texts = generative(opened, out, range(seeds), command, encoder)
    text = ""
    for text in texts:
        put(page or out / "RESULTS.md", text)
    print(text, end="")
