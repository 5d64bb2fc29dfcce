"""Commands that decide again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load, stop_on_signals
from pipeline.errors import CamtrailError

app = typer.Typer()


@app.command(epilog="Example: camtrail record site.yaml --out monday.camtrail --since 24h")
def record(
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write.")],
    site: SiteFile = DEFAULT_SITE,
    since: Annotated[
        str | None,
        typer.Option(help="Only who was in view since: a date and time, or 30m, 12h, 7d ago."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only who came before; as --since.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="What comes from now on, until Ctrl-C, instead.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Keep what the cameras said of people (no pictures) in a file, to decide on it again.

    Reads the store, so it works while the site runs and after it. What people corrected is not in
    it.
    """
    from pipeline.replay import command

    if follow and (since or until):
        raise CamtrailError("--follow records what comes; leave --since and --until out")
    if follow:
        command.run_follow(load(site), out, stop_on_signals(), as_json=json)
    else:
        command.run_record(load(site), out, since, until, as_json=json)


@app.command(epilog="Example: camtrail replay monday.camtrail --site site.yaml --out again")
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `camtrail record` wrote.")],
    site: Annotated[
        Path | None,
        typer.Option(metavar="SITE", help="Take `matcher` and `topology` from this site.yaml."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the result here, to evaluate and look at."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Run the matcher on a recording: faster than it was, and always with the same decisions.

    `camtrail evaluate DIR/site.yaml --truth ...` then measures the result.
    """
    from pipeline.replay import command

    command.run_replay(file, site, out, as_json=json)


@app.command(
    epilog="Example: camtrail tune monday.camtrail fair.camtrail --truth monday --truth fair"
)
def tune(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings of two sites or more.")
    ],
    truth: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR", help="Folder with CAMERA.gt.txt; once for each file, in their order."
        ),
    ],
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="Settings to try.")] = 40,
    jobs: Annotated[int, typer.Option(min=0, max=256, help="Processes; 0: one for each core.")] = 0,
    json: AsJson = False,
) -> None:
    """Search thresholds of the matcher, and say what they gain on sites that were held out.

    Each site is left out in turn: the figures are those of settings chosen without it. A quarter
    of the settings has both thresholds, which ends what the matcher learns of how alike people
    are; the others leave that on.
    """
    from pipeline.tune import command

    command.run(files, truth, trials, jobs, as_json=json)
