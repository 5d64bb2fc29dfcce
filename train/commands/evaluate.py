"""`camtrail-train eval`."""

from __future__ import annotations

from typing import Annotated

import typer

from train.commands.options import Data, Device, Json, open_named, print_values


def evaluate_encoder(
    encoder: Annotated[
        str, typer.Option("--encoder", help="A .safetensors or .onnx file, or: histogram.")
    ],
    data: Data,
    device: Device = "auto",
    other_cameras: Annotated[
        bool, typer.Option("--other-cameras", help="Search only what other cameras saw.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure an encoder by Market-1501's protocol.

    camtrail-train eval --encoder runs/first/encoder.safetensors --data simulated --json
    """
    from reid_models import load_encoder
    from train.evaluation import embed_data, evaluate, histogram_features
    from train.evaluation.ranking import Metric
    from train.report import summary

    metric: Metric
    if encoder == "histogram":
        found = open_named(data)
        metric, query, gallery = (
            "euclidean",
            histogram_features(found.query),
            histogram_features(found.gallery),
        )
    else:
        loaded = load_encoder(encoder, device)
        found = open_named(data)
        metric, query, gallery = (
            "cosine",
            embed_data(loaded, found.query),
            embed_data(loaded, found.gallery),
        )
    ranking = evaluate(query, gallery, metric, other_cameras=other_cameras)
    measured = summary(ranking, metric, other_cameras)
    print_values({"encoder": encoder, "data": found.name, **measured}, as_json)
