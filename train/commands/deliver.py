"""`camtrail-train export` and `camtrail-train compare`: from training to the live pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_models.header import DESCRIBED
from train.commands.options import Data, Device, Json, open_to_measure, print_values
from train.commands.progress import progress_bar
from train.errors import TrainError


def export(
    encoder: Annotated[Path, typer.Argument(metavar="ENCODER", help="A .safetensors encoder.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write; its ending says what.")],
    as_json: Json = False,
) -> None:
    """Write an encoder for another runtime, and check that it gives the same embeddings.

    .onnx is for onnxruntime, .xml for OpenVINO (its weights are in .bin),
    .engine for TensorRT (made on the NVIDIA GPU that is to run it). These have
    their description in a .yaml file beside them; .safetensors holds all.

    camtrail-train export runs/mine/encoder.safetensors --out mine.onnx
    """
    from train.export import export_encoder

    difference = export_encoder(encoder, out)
    beside = {"weights": str(out.with_suffix(".bin"))} if out.suffix == ".xml" else {}
    if out.suffix in DESCRIBED:
        beside["description"] = str(out.with_suffix(".yaml"))
    print_values({"file": str(out), **beside, "largest_difference": difference}, as_json)


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The encoder in use.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The one to replace it.")],
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A folder, or a .json file; the page stands beside it."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure two encoders on the same held-out crops, with confidence intervals.

    camtrail-train compare old.safetensors runs/mine/encoder.safetensors --data crops --out c.json
    """
    import json

    from train.compare import PROTOCOL
    from train.compare import compare as measure
    from train.comparison_page import write_comparison
    from train.files import write_text

    file = _json_file(out) if out is not None else None
    opened = open_to_measure(data)
    with progress_bar("embedding", 2 * (len(opened.query) + len(opened.gallery))) as done:
        comparison = measure(old, new, opened, device, progress=done)
    text = comparison.as_json()
    if file is not None:
        write_comparison(file.with_suffix(".html"), comparison)
        write_text(file, text)
    if as_json:
        print_values(json.loads(text), as_json)
        return
    for name, side in (("old", comparison.old.measured), ("new", comparison.new.measured)):
        ap = side.mean_average_precision
        print(
            f"{name}  mAP {ap.value:.3f} ({ap.low:.3f} to {ap.high:.3f})  Rank-1 {side.rank1:.3f}  "
            f"thresholds {side.thresholds.accept:.3f} / {side.thresholds.new:.3f}  {side.file}"
        )
    gain = comparison.gain
    print(f"gain of mAP {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}): ", end="")
    print(comparison.verdict)
    print(PROTOCOL)
    if file is not None:
        print(f"wrote {file} and {file.with_suffix('.html').name} beside it")


def _json_file(out: Path) -> Path:
    """Where the comparison goes; its folder is there before the work begins."""
    file = out if out.suffix == ".json" else out / "comparison.json"
    if out.suffix not in ("", ".json") and not out.is_dir():
        raise TrainError(f"{out}: must be a folder or a .json file")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
