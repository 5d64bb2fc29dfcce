"""`camtrail-train export` and `camtrail-train compare`: from training to the live pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import Data, Device, Json, open_named, print_values
from train.errors import TrainError


def export(
    encoder: Annotated[Path, typer.Argument(metavar="ENCODER", help="A .safetensors encoder.")],
    out: Annotated[Path, typer.Option("--out", help="The .onnx file to write.")],
    as_json: Json = False,
) -> None:
    """Write an encoder as ONNX, and check that it gives the same embeddings.

    camtrail-train export runs/mine/encoder.safetensors --out mine.onnx
    """
    from train.export import export_onnx

    difference = export_onnx(encoder, out)
    values = {"file": str(out), "description": str(out.with_suffix(".yaml"))}
    print_values({**values, "largest_difference": difference}, as_json)


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The encoder in use.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The one to replace it.")],
    data: Data,
    out: Annotated[
        Path | None, typer.Option("--out", help="A .json file to write the comparison to.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure two encoders on the same held-out crops, with confidence intervals.

    camtrail-train compare old.safetensors runs/mine/encoder.safetensors --data crops --out c.json
    """
    import json

    from train.compare import compare as measure

    if out is not None and out.suffix != ".json":
        raise TrainError(f"{out}: the comparison is a .json file")
    comparison = measure(old, new, open_named(data), device)
    text = comparison.as_json()
    if out is not None:
        partial = out.with_name(out.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(out)
    if as_json:
        print_values(json.loads(text), as_json)
        return
    for name, side in (("old", comparison.old), ("new", comparison.new)):
        ap = side.mean_average_precision
        print(
            f"{name}  mAP {ap.value:.3f} ({ap.low:.3f} to {ap.high:.3f})  Rank-1 {side.rank1:.3f}  "
            f"thresholds {side.thresholds.accept:.3f} / {side.thresholds.new:.3f}  {side.file}"
        )
    gain = comparison.gain
    verdict = "better" if comparison.better else "worse" if comparison.worse else "not clear"
    print(f"gain of mAP {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}): {verdict}")
