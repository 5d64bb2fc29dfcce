"""Commands that run a site, and its processes one by one."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.child import INCOMPLETE, STOPPED
from pipeline.cli.options import (
    DEFAULT_SITE,
    AsJson,
    JsonLogs,
    SiteFile,
    UntilEnd,
    load,
    stop_on_signals,
)
from pipeline.errors import CamtrailError

app = typer.Typer()


@app.command(epilog="Example: camtrail run site.yaml --until-end")
def run(
    site: SiteFile = DEFAULT_SITE,
    until_end: UntilEnd = False,
    json_logs: JsonLogs = False,
    no_viewer: Annotated[
        bool, typer.Option("--no-viewer", help="Do not serve the viewer's pages.")
    ] = False,
) -> None:
    """Run the site: Redis if embedded, a worker a camera, the matcher, the viewer; restart what
    dies.
    """
    from pipeline.supervise import run_site

    raise typer.Exit(run_site(load(site), site, until_end, json_logs, not no_viewer))


@app.command(epilog="Example: camtrail worker site.yaml --camera gate")
def worker(
    camera: Annotated[str, typer.Option(help="The camera's name in site.yaml.")],
    site: SiteFile = DEFAULT_SITE,
    json_logs: JsonLogs = False,
) -> None:
    """Read one camera: detect, track, embed and publish. `camtrail run` starts these itself.

    Exit status 75 says that a file was stopped before its end; the next start goes on there;
    65, that it was read to its end, but is cut off or damaged.
    """
    settings = load(site)
    settings.camera(camera)
    stop = stop_on_signals()
    from pipeline.telemetry.answer import leave
    from pipeline.telemetry.process import speaking

    name = f"worker-{camera}"
    with speaking(settings, name, json_logs):
        from pipeline.camera.worker import run_worker

        lost = run_worker(settings, camera, stop)
    if settings.camera(camera).live:
        return
    if stop.is_set():
        raise typer.Exit(STOPPED)
    leave(settings.data_dir, name)
    if lost:
        typer.echo(f"camtrail: {lost}", err=True)
        raise typer.Exit(INCOMPLETE)


@app.command(epilog="Example: camtrail inference site.yaml")
def inference(site: SiteFile = DEFAULT_SITE, json_logs: JsonLogs = False) -> None:
    """Run detector and encoder for all workers of this host, where `inference: shared` says so.

    `camtrail run` starts it itself.
    """
    settings = load(site)
    if settings.inference != "shared":
        raise CamtrailError(f"{site}: `inference: shared` is not set; each worker has its own")
    stop = stop_on_signals()
    from pipeline.telemetry.process import speaking

    with speaking(settings, "inference", json_logs):
        from pipeline.inference.shared.server import run_inference

        run_inference(settings, stop)


@app.command(epilog="Example: camtrail alive site.yaml --camera gate")
def alive(
    site: SiteFile = DEFAULT_SITE,
    camera: Annotated[
        str | None, typer.Option(help="Its worker; by default it is about the matcher.")
    ] = None,
) -> None:
    """Say by the exit status (0, else 2) whether a process does its work, for health checks."""
    from pipeline.alive import check

    typer.echo(check(load(site), camera))


@app.command(epilog="Example: camtrail recorder site.yaml --camera gate")
def recorder(
    camera: Annotated[str, typer.Option(help="The camera's name in site.yaml.")],
    site: SiteFile = DEFAULT_SITE,
    json_logs: JsonLogs = False,
) -> None:
    """Record one camera around the people in it. `camtrail run` starts these itself."""
    settings = load(site)
    stop = stop_on_signals()
    from pipeline.telemetry.process import speaking

    with speaking(settings, f"recorder-{camera}", json_logs):
        from pipeline.recording.recorder import run_recorder

        run_recorder(settings, camera, stop)


@app.command(epilog="Example: camtrail matcher site.yaml --standby")
def matcher(
    site: SiteFile = DEFAULT_SITE,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait while another matcher runs, then take over.")
    ] = False,
    until_end: UntilEnd = False,
    json_logs: JsonLogs = False,
) -> None:
    """Decide who is who for the whole site. `camtrail run` starts it itself."""
    settings = load(site)
    stop = stop_on_signals()
    from pipeline.telemetry.process import speaking

    with speaking(settings, "matcher", json_logs):
        from pipeline.matcher.service import run_matcher

        run_matcher(settings, stop, until_end=until_end, standby=standby)
    if stop.is_set() and until_end:
        raise typer.Exit(STOPPED)


@app.command(epilog="Example: camtrail viewer site.yaml --port 8600")
def viewer(
    site: SiteFile = DEFAULT_SITE,
    host: Annotated[
        str | None, typer.Option(help="Where to listen; by default as site.yaml says (loopback).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="By default as site.yaml says (8600); 0: any."),
    ] = None,
    json_logs: JsonLogs = False,
) -> None:
    """Watch and search in a browser: who was where, a person's way, search by picture."""
    from pipeline.telemetry.process import speaking
    from pipeline.viewer import command

    settings = load(site)
    with speaking(settings, "viewer", json_logs):
        command.run(settings, host, port)


@app.command(epilog="Example: camtrail metrics site.yaml --listen 127.0.0.1:9464")
def metrics(
    site: SiteFile = DEFAULT_SITE,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve them there to Prometheus, until Ctrl-C."),
    ] = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Say which there are and what they mean.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Print what all running processes of this data_dir count, in Prometheus' text format.

    `camtrail run` serves them itself where `telemetry: {metrics: HOST:PORT}` says so.
    """
    from pipeline import metrics as command

    if describe:
        command.show_meanings(as_json=json)
    elif listen is not None:
        command.serve(command.load(site), listen, stop_on_signals())
    else:
        command.show(command.load(site))
