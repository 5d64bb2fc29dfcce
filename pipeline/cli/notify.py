"""Commands about who is told."""

from __future__ import annotations

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, JsonLogs, SiteFile, load, stop_on_signals

app = typer.Typer()
notify = typer.Typer(help="Who is told when somebody is seen.", no_args_is_help=True)
app.add_typer(notify, name="notify")


@notify.command("run", epilog="Example: camtrail notify run site.yaml")
def notify_run(site: SiteFile = DEFAULT_SITE, json_logs: JsonLogs = False) -> None:
    """Tell the receivers of `notify:` in site.yaml. `camtrail run` starts it itself."""
    settings = load(site)
    stop = stop_on_signals()
    from pipeline.telemetry.process import speaking

    with speaking(settings, "notifier", json_logs):
        from pipeline.notify.service import run_notifier

        run_notifier(settings, stop)


@notify.command("test", epilog="Example: camtrail notify test site.yaml")
def notify_test(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Send each receiver a test event; exit status 1 if one did not take it."""
    from pipeline.notify import command

    raise typer.Exit(command.run_test(load(site), as_json=json))


@notify.command("status", epilog="Example: camtrail notify status site.yaml --json")
def notify_status(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Say how many notifications wait for each receiver, were delivered, were given up."""
    from pipeline.notify import command

    command.run_status(load(site), as_json=json)
