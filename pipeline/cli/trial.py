"""Commands that try camtrail on simulated sites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, load

app = typer.Typer()


@app.command(epilog="Example: camtrail simulate --out sim --seed 7 --cameras 4 --people 20")
def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    cameras: Annotated[int, typer.Option(help="How many cameras.")] = 3,
    people: Annotated[int, typer.Option(help="How many people walk about.")] = 12,
    seconds: Annotated[float, typer.Option(help="Length of each video.")] = 60.0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 10.0,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Two cameras see the same ground.")
    ] = False,
    crops: Annotated[
        bool, typer.Option("--crops", help="Also write re-id crops, named as in Market-1501.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Make a site with known truth: videos, site.yaml, and who was where in MOT format."""
    from pipeline.simulate.command import simulate as command

    command(out, seed, cameras, people, seconds, fps, overlap, crops, json)


@app.command(epilog="Example: camtrail bench --cameras 4 --fps 10 --json")
def bench(
    cameras: Annotated[int, typer.Option(min=1, max=16, help="Up to how many cameras.")] = 8,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Frames a second of each.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=8, max=3600, help="Length of a step.")] = 20.0,
    people: Annotated[int, typer.Option(min=1, max=50, help="People for each camera.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Which simulated sites.")] = 1,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the picture.")] = Path(
        "camtrail-bench"
    ),
    json: AsJson = False,
) -> None:
    """Measure this machine: live simulated cameras, frames a second, delay, IDF1.

    Doubles the number of cameras until it no longer keeps up; takes about a minute a step.
    """
    from pipeline.bench import BenchOptions, command

    options = BenchOptions(seed, fps, seconds, people)
    command.run(out, cameras, options, as_json=json)


@app.command(epilog="Example: camtrail demo --seed 7 --out demo --json")
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")] = Path(
        "camtrail-demo"
    ),
    seed: Annotated[int, typer.Option(help="Which simulated site.")] = 1,
    people: Annotated[int, typer.Option(help="How many people walk about.")] = 12,
    cameras: Annotated[int, typer.Option(help="How many cameras.")] = 3,
    seconds: Annotated[float, typer.Option(help="Length of each video.")] = 60.0,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then show it in the viewer, until Ctrl-C.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Simulate a site, run the whole system on it, and compare the answer with the truth."""
    from pipeline.demo import run_demo
    from pipeline.simulate import SiteOptions

    options = SiteOptions(seed=seed, people=people, cameras=cameras, seconds=seconds)
    status = run_demo(out, options, as_json=json)
    if serve:
        from pipeline.viewer.command import serve as serve_viewer

        serve_viewer(load(out / "site.yaml"))
    raise typer.Exit(status)
