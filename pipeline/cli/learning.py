"""Commands on the way to a better encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load

app = typer.Typer()
crops = typer.Typer(help="The pictures of people that the cameras collected.", no_args_is_help=True)
app.add_typer(crops, name="crops")
encoder = typer.Typer(help="The encoder in use, and the way to a better one.", no_args_is_help=True)
app.add_typer(encoder, name="encoder")


@crops.command(
    epilog="Example: camtrail crops export site.yaml --out crops --labels confirmed --since 30d"
)
def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; new or empty.")],
    site: SiteFile = DEFAULT_SITE,
    labels: Annotated[
        str,
        typer.Option(
            metavar="confirmed|matched|tracklet",
            help="Who is who: what people confirmed; also what the matcher decided; or each "
            "tracklet for itself.",
        ),
    ] = "matched",
    since: Annotated[
        str | None,
        typer.Option(help="Only crops since: a date and time, or 30m, 12h, 7d ago."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only crops before; as --since.")] = None,
    camera: Annotated[
        list[str] | None, typer.Option(help="Only of this camera; give it once for each.")
    ] = None,
    min_quality: Annotated[
        float, typer.Option(min=0, max=1, help="Only crops of at least this quality.")
    ] = 0.0,
    test: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="Share of the identities seen by several cameras kept for tests."
        ),
    ] = 0.25,
    json: AsJson = False,
) -> None:
    """Write the collected crops as a data set to train on, named as in Market-1501.

    `camtrail-train METHOD --data DIR` reads it; a table beside the crops says where each is from.
    """
    from pipeline.crops.command import run as command

    command(load(site), out, labels, since, until, camera or [], min_quality, test, as_json=json)


@encoder.command(epilog="Example: camtrail encoder info site.yaml --json")
def info(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Say which encoder is in use, which were before, and whether the gallery is its."""
    from pipeline.encoders.command import run_info

    run_info(load(site), as_json=json)


@encoder.command(
    epilog="Example: camtrail encoder promote runs/mine/encoder.safetensors site.yaml "
    "--comparison comparison.json"
)
def promote(
    file: Annotated[Path, typer.Argument(metavar="ENCODER", help=".safetensors or an export")],
    site: SiteFile = DEFAULT_SITE,
    comparison: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What `camtrail-train compare --out` wrote."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Whatever the comparison says, or without one.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Take a better encoder into use; the gallery is embedded anew from its crops.

    Everybody keeps their identity. A running site changes over by itself, within seconds.
    """
    from pipeline.encoders.command import run_promote

    run_promote(load(site), file, comparison, force=force, as_json=json)


@encoder.command(epilog="Example: camtrail encoder rollback site.yaml")
def rollback(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Take the encoder that was in use before the last promotion again."""
    from pipeline.encoders.command import run_rollback

    run_rollback(load(site), as_json=json)
