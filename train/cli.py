"""The command `camtrail-train`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from train.errors import TrainError

if TYPE_CHECKING:  # torch takes seconds to import, which --help need not wait for
    from train.data import DataSet
    from train.methods.baseline import Epoch

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_DATA_HELP = (
    "A folder in Market-1501's layout, or simulated people: "
    "simulated, or for example simulated:seed=9002,train_identities=300."
)
Data = Annotated[str, typer.Option("--data", help=_DATA_HELP)]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run; new or empty.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def baseline(
    data: Data,
    out: Out,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")
    ] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from RUN/checkpoint.pt.")] = False,
    as_json: Json = False,
) -> None:
    """Train an encoder: identity classification and batch-hard triplets.

    camtrail-train baseline --data simulated --out runs/first --set epochs=20
    """
    from train.methods.baseline import BaselineSettings, train_baseline
    from train.methods.settings import load_settings

    settings = load_settings(BaselineSettings, "baseline.yaml", changes or [])
    result = train_baseline(
        _open(data), out, settings, seed, resume, command=_command(), report=_print_epoch
    )
    _print(result["metrics"], as_json, f"wrote {out / 'encoder.safetensors'}")


@app.command("eval")
def evaluate_encoder(
    encoder: Annotated[
        str, typer.Option("--encoder", help="A .safetensors or .onnx file, or: histogram.")
    ],
    data: Data,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
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
        found = _open(data)
        metric, query, gallery = (
            "euclidean",
            histogram_features(found.query),
            histogram_features(found.gallery),
        )
    else:
        loaded = load_encoder(encoder, device)
        found = _open(data)
        metric, query, gallery = (
            "cosine",
            embed_data(loaded, found.query),
            embed_data(loaded, found.gallery),
        )
    ranking = evaluate(query, gallery, metric, other_cameras=other_cameras)
    measured = summary(ranking, metric, other_cameras)
    _print({"encoder": encoder, "data": found.name, **measured}, as_json)


@app.command()
def detector(
    out: Out,
    seed: Seed = 0,
    images: Annotated[int, typer.Option("--images", help="Training frames.")] = 1500,
    epochs: Annotated[int, typer.Option("--epochs")] = 30,
    image_size: Annotated[int, typer.Option("--image-size", help="Pixels.")] = 384,
    as_json: Json = False,
) -> None:
    """Train a YOLO nano person detector on simulated frames.

    camtrail-train detector --out runs/detector --seed 1 --images 1500 --epochs 30
    """
    from train.detector import train_detector

    result = train_detector(out, seed, images, epochs, image_size, command=_command())
    _print(result["held_out"], as_json, f"wrote {out / 'detector.pt'}")


def _open(name: str) -> DataSet:
    from train.data import open_data

    data = open_data(name)
    for line in data.left_out[:20]:
        print(f"left out: {line}", file=sys.stderr)
    if len(data.left_out) > 20:
        print(f"left out: {len(data.left_out) - 20} more files", file=sys.stderr)
    return data


def _print_epoch(epoch: Epoch) -> None:
    print(
        f"epoch {epoch.number}/{epoch.of}  identity {epoch.identity_loss:.3f}  "
        f"triplet {epoch.triplet_loss:.3f}  accuracy {epoch.accuracy:.3f}  "
        f"{epoch.seconds:.0f} s  {epoch.remaining / 60:.1f} min left",
        file=sys.stderr,
        flush=True,
    )


def _print(values: dict[str, Any], as_json: bool, note: str = "") -> None:
    if as_json:
        print(json.dumps(values))
        return
    console = Console()
    for key, value in values.items():
        console.print(f"{key:>22}  {value}", highlight=False)
    if note:
        console.print(note, highlight=False)


def _command() -> str:
    return shlex.join(["camtrail-train", *sys.argv[1:]])


def main() -> None:
    """Run the command; what the user did wrong ends in one line on stderr and status 2."""
    from pipeline.errors import CamtrailError  # the simulator's
    from reid_models import EncoderError

    try:
        app()
    except (TrainError, EncoderError, CamtrailError) as error:
        print(f"camtrail-train: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("camtrail-train: interrupted", file=sys.stderr)
        sys.exit(130)
