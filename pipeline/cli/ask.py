"""Commands that say who was where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load

app = typer.Typer()


@app.command(epilog="Example: camtrail identities site.yaml --camera gate --since 2026-01-05T09:00")
def identities(
    site: SiteFile = DEFAULT_SITE,
    camera: Annotated[str | None, typer.Option(help="Only those seen in this camera.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only those seen since: a date and time, or 30m, 12h, 7d ago."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
    json: AsJson = False,
) -> None:
    """List the people seen, the last seen first."""
    from pipeline import people

    people.list_identities(load(site), camera, since, limit, as_json=json)


@app.command(epilog="Example: camtrail show 17 site.yaml")
def show(
    identity: Annotated[
        int, typer.Argument(min=1, max=2**63 - 1, metavar="ID", help="The number of the identity.")
    ],
    site: SiteFile = DEFAULT_SITE,
    json: AsJson = False,
) -> None:
    """Show where one person was, when, for how long, in which order."""
    from pipeline import people

    people.show_identity(load(site), identity, as_json=json)


@app.command(epilog="Example: camtrail explain gate/01JG.../4 site.yaml")
def explain(
    tracklet: Annotated[
        str, typer.Argument(metavar="KEY", help="CAMERA/RUN/TRACK, as `camtrail show --json` has.")
    ],
    site: SiteFile = DEFAULT_SITE,
    json: AsJson = False,
) -> None:
    """Show what each decision on a tracklet was made of, and how sure it was."""
    from pipeline import correct, people

    (key,) = correct.parse_keys([tracklet])
    people.explain(load(site), key, as_json=json)


@app.command(epilog="Example: camtrail topology site.yaml --html ground.html")
def topology(
    site: SiteFile = DEFAULT_SITE,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Draw it into this page, too.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show the ways between the cameras and how long they take, which views share their ground, and
    where in each picture people come and go: what site.yaml says, and what was learned.
    """
    from pipeline.topology import show_topology

    show_topology(load(site), html, as_json=json)


@app.command(epilog="Example: camtrail evaluate site.yaml --truth truth --json")
def evaluate(
    truth: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with CAMERA.gt.txt in MOT format.")
    ],
    site: SiteFile = DEFAULT_SITE,
    json: AsJson = False,
) -> None:
    """Compare what was stored with the truth: cross-camera IDF1, HOTA, false merges and more."""
    from pipeline.evaluate import command

    command.run(load(site), truth, as_json=json)
