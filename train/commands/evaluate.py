"""`camtrail-train eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from train.commands.embedder import ENCODER_HELP, Embedder
from train.commands.options import Data, Device, Json, open_to_measure, print_values
from train.errors import TrainError

Metric = Annotated[Literal["cosine", "euclidean"], typer.Option("--metric")]
AveragePrecision = Annotated[
    Literal["trapezoid", "rectangle"],
    typer.Option("--average-precision", help="Market-1501's own, or the one of many toolkits."),
]
OtherCameras = Annotated[
    bool, typer.Option("--other-cameras", help="Search only what other cameras saw.")
]
Rerank = Annotated[bool, typer.Option("--rerank", help="By k-reciprocal neighbours.")]


def evaluate_encoder(
    encoder: Annotated[str, typer.Option("--encoder", help=ENCODER_HELP)],
    data: Data,
    device: Device = "auto",
    metric: Metric = "cosine",
    average_precision: AveragePrecision = "trapezoid",
    other_cameras: OtherCameras = False,
    multi_query: Annotated[
        bool,
        typer.Option("--multi-query", help="One query a person and camera, of all its images."),
    ] = False,
    tracklets: Annotated[
        bool, typer.Option("--tracklets", help="Search for tracklets among tracklets.")
    ] = False,
    rerank: Rerank = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="Count Error-I and Error-II, over all images.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML page with pictures.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure an encoder by Market-1501's protocol.

    camtrail-train eval --encoder runs/first/encoder.safetensors --data simulated --json

    camtrail-train eval --encoder histogram --data simulated --report colours.html
    """
    from train.evaluation import How, error_counts, make_search
    from train.evaluation.features import join
    from train.report import summary

    if report is not None and not report.parent.is_dir():  # before the work is done
        raise TrainError(f"{report}: cannot be written: there is no folder {report.parent}")
    how = How(metric, average_precision, other_cameras, multi_query, tracklets, rerank)
    embedder = Embedder(encoder, device)
    found = open_to_measure(data)
    parts = embedder.test_part(found)
    search = make_search(*parts, found, how, embedder.torch_device)
    ranking = search.ranking()
    measured = {"encoder": encoder, "data": found.name, **summary(ranking, how)}
    if errors:
        first, second = error_counts(join(*parts), metric)
        measured |= {"error_1": round(first, 4), "error_2": round(second, 4)}
    if report is not None:
        from train.evaluation.page import write_page

        write_page(report, measured, search, ranking, embedder.file)
    print_values(measured, as_json, f"wrote {report}" if report else "")
