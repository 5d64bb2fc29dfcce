"""`camtrail-train cross-domain`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from train.commands.embedder import ENCODER_HELP, Embedder
from train.commands.evaluate import AveragePrecision, Metric, OtherCameras, Rerank
from train.commands.options import DATA_HELP, Device, Json, open_to_measure, print_values


def cross_domain(
    encoders: Annotated[
        list[str], typer.Option("--encoder", help=f"Can be given again. {ENCODER_HELP}")
    ],
    data: Annotated[list[str], typer.Option("--data", help=f"Can be given again. {DATA_HELP}")],
    device: Device = "auto",
    metric: Metric = "cosine",
    average_precision: AveragePrecision = "trapezoid",
    other_cameras: OtherCameras = False,
    rerank: Rerank = False,
    as_json: Json = False,
) -> None:
    """Measure several encoders on several data sets: trained here, tested there.

    camtrail-train cross-domain --encoder a.safetensors --encoder b.safetensors \\
        --data simulated:seed=1 --data /data/Market-1501
    """
    from train.evaluation import How, make_search
    from train.report import summary

    how = How(metric, average_precision, other_cameras, rerank=rerank)
    opened = [open_to_measure(name) for name in data]
    rows: list[dict[str, Any]] = []
    for embedder in [Embedder(name, device) for name in encoders]:
        for found in opened:
            parts = embedder.test_part(found)
            ranking = make_search(*parts, found, how, embedder.torch_device).ranking()
            rows.append(
                {
                    "encoder": embedder.name,
                    "trained_on": embedder.trained_on,
                    "data": found.name,
                    **summary(ranking, how),
                }
            )
    if as_json:
        print_values({"rows": rows}, as_json)
    else:
        _print(rows, [found.name for found in opened], how.protocol)


def _print(rows: list[dict[str, Any]], names: list[str], protocol: str) -> None:
    """Encoders below each other, data sets side by side."""
    table = Table(title=f"mAP / Rank-1 in per cent; {protocol}", title_justify="left")
    for column in ("encoder", "trained on", *names):
        table.add_column(column, overflow="fold")
    for start in range(0, len(rows), len(names)):
        line = rows[start : start + len(names)]
        cells = [f"{100 * row['map']:.1f} / {100 * row['rank1']:.1f}" for row in line]
        table.add_row(line[0]["encoder"], line[0]["trained_on"], *cells)
    Console().print(table)
