"""Commands that set a site up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load

app = typer.Typer()


@app.command(epilog="Example: camtrail init shop --source gate=rtsp://10.0.0.5/stream1")
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write site.yaml.")] = Path(),
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="A camera; give it once for each."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a site.yaml.")] = False,
    json: AsJson = False,
) -> None:
    """Write a commented site.yaml for the videos in a folder or for the given sources."""
    from pipeline import init as command

    command.run(folder, source or [], force=force, as_json=json)


@app.command(epilog="Example: camtrail doctor site.yaml")
def doctor(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Check packages, GPU, weights, Redis, cameras, disk and clock; exit status 1 if one fails."""
    from pipeline import doctor as command

    raise typer.Exit(command.run(site, as_json=json))


@app.command(epilog="Example: camtrail config site.yaml --json")
def config(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Print the effective configuration, defaults included, with secrets redacted."""
    from pipeline.config import effective

    data = effective(load(site))
    if json:
        from pipeline.output import print_json

        print_json(data)
        return
    import yaml

    typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
