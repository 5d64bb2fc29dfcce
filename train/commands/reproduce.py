"""`camtrail-train reproduce`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from train.commands.options import (
    DATA_HELP,
    Changes,
    Json,
    Out,
    Resume,
    Seed,
    command_line,
    open_to_measure,
    print_values,
)


def reproduce(
    data: Annotated[str, typer.Argument(metavar="DATASET", help=DATA_HELP)],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="baseline, fidi, scr, dgnet, dgnet-fused, slsr, slsr-densenet, ice, abmt, "
            "abmt-uda or gcl.",
        ),
    ],
    out: Out,
    changes: Changes = None,
    seed: Seed = 0,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Run a published recipe at full size, and print its row beside the published one.

    camtrail-train reproduce market1501:/data/Market-1501-v15.09.15 --method fidi --out runs/fidi

    dgnet and dgnet-fused need a teacher of the same data: --set teacher=RUN/encoder.safetensors;
    abmt-uda needs other data that are labelled: --set source=dukemtmc:/data/DukeMTMC-reID; gcl
    needs an encoder and structure maps of the same data: --set warm_up=RUN/encoder.safetensors
    --set structure=FOLDER.
    """
    from train.reproduce import check_complete, measured, published, recipe
    from train.run import method_settings, train_encoder

    chosen = recipe(method)
    settings = method_settings(chosen.method, "paper", [*chosen.changes, *(changes or [])])
    check_complete(method, settings)
    opened = open_to_measure(data)
    result = train_encoder(chosen.method, opened, out, settings, seed, resume, command_line())
    if not result:  # of several processes the first has it
        return
    figures, found = published(chosen, opened), measured(result, opened, out)
    row = {
        "method": method,
        "data": opened.name,
        "kind": opened.kind,
        "version": opened.version,
        "source": chosen.source,
        "published": figures._asdict() if figures else None,
        "here": found._asdict(),
    }
    if as_json:
        print_values(row, as_json)
    else:
        _print(row)


def _print(row: dict[str, Any]) -> None:
    table = Table(title=f"{row['method']} on {row['data']}", title_justify="left")
    for name in ("", "Rank-1", "mAP"):
        table.add_column(name)
    table.add_row("here", *_cells(row["here"]))
    table.add_row(row["source"], *_cells(row["published"]))
    Console().print(table)


def _cells(figures: dict[str, float | None] | None) -> list[str]:
    """In per cent; a dash for what the document does not give."""
    rates = [figures["rank1"], figures["map"]] if figures else [None, None]
    return ["-" if rate is None else f"{100 * rate:.1f}" for rate in rates]
