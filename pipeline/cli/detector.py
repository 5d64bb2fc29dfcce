"""Commands about the detector's network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load

app = typer.Typer()
detector = typer.Typer(help="The network that finds people.", no_args_is_help=True)
app.add_typer(detector, name="detector")


@detector.command(epilog="Example: camtrail detector export site.yaml --format openvino")
def export(
    site: SiteFile = DEFAULT_SITE,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="onnx|openvino|tensorrt",
            help="ONNX runs on any processor or GPU, OpenVINO on processors, TensorRT on the "
            "NVIDIA GPU on which this command runs, in half precision with detector.half.",
        ),
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What to write; else it stands beside the site's file."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write the detector's weights as a file of another runtime, by ultralytics' own export.

    It gives the same boxes. Named as `detector.weights`, it is used in place of the weights.
    """
    from pipeline.inference.command import run_export

    run_export(load(site), kind, out, site.parent, as_json=json)
