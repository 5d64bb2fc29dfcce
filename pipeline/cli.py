"""The command `camtrail`. A command imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import CamtrailError

if TYPE_CHECKING:
    from pipeline.config import Site

app = typer.Typer(
    name="camtrail",
    help="Follow people across cameras: who was seen where, and when.",
    epilog="Start with: camtrail demo, or camtrail init for your own cameras.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

crops = typer.Typer(help="The pictures of people that the cameras collected.", no_args_is_help=True)
app.add_typer(crops, name="crops")
encoder = typer.Typer(help="The encoder in use, and the way to a better one.", no_args_is_help=True)
app.add_typer(encoder, name="encoder")
users = typer.Typer(help="Who may use the viewer.", no_args_is_help=True)
app.add_typer(users, name="users")
tokens = typer.Typer(help="Tokens by which programs use the viewer's API.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")

notify = typer.Typer(help="Who is told when somebody is seen.", no_args_is_help=True)
app.add_typer(notify, name="notify")

SiteFile = Annotated[Path, typer.Argument(metavar="SITE", help="The site.yaml to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Write log lines as JSON.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop when all files are read.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so; you, by default.")]
Tracklets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="One of its tracklets, CAMERA/RUN/TRACK as `camtrail show --json` prints it; give it "
        "once for each.",
    ),
]
UserName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the user.")]
RoleName = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="viewer|operator|administrator",
        help="A viewer looks, an operator also corrects, an administrator may everything.",
    ),
]
DEFAULT_SITE = Path("site.yaml")
STOPPED = os.EX_TEMPFAIL  # the exit status of what was stopped before its end: start it again


def main() -> None:
    """Runs the command line; what a user did wrong becomes lines on stderr and exit status 2."""
    try:
        app()
    except CamtrailError as error:
        print(f"camtrail: {error}", file=sys.stderr)
        sys.exit(2)


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

    raise typer.Exit(run_site(_load(site), site, until_end, json_logs, not no_viewer))


@app.command(epilog="Example: camtrail worker site.yaml --camera gate")
def worker(
    camera: Annotated[str, typer.Option(help="The camera's name in site.yaml.")],
    site: SiteFile = DEFAULT_SITE,
    json_logs: JsonLogs = False,
) -> None:
    """Read one camera: detect, track, embed and publish. `camtrail run` starts these itself.

    Exit status 75 says that a file was stopped before its end; the next start goes on there.
    """
    settings = _load(site)
    settings.camera(camera)
    stop = _stop_on_signals()
    from pipeline import telemetry

    telemetry.configure(f"worker-{camera}", json=json_logs or None)
    from pipeline.camera.worker import run_worker

    run_worker(settings, camera, stop)
    if stop.is_set() and not settings.camera(camera).live:
        raise typer.Exit(STOPPED)


@app.command(epilog="Example: camtrail inference site.yaml")
def inference(site: SiteFile = DEFAULT_SITE, json_logs: JsonLogs = False) -> None:
    """Run detector and encoder for all workers of this host, where `inference: shared` says so.

    `camtrail run` starts it itself.
    """
    settings = _load(site)
    if settings.inference != "shared":
        raise CamtrailError(f"{site}: `inference: shared` is not set; each worker has its own")
    stop = _stop_on_signals()
    from pipeline import telemetry

    telemetry.configure("inference", json=json_logs or None)
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

    typer.echo(check(_load(site), camera))


@app.command(epilog="Example: camtrail recorder site.yaml --camera gate")
def recorder(
    camera: Annotated[str, typer.Option(help="The camera's name in site.yaml.")],
    site: SiteFile = DEFAULT_SITE,
    json_logs: JsonLogs = False,
) -> None:
    """Record one camera around the people in it. `camtrail run` starts these itself."""
    settings = _load(site)
    stop = _stop_on_signals()
    from pipeline import telemetry

    telemetry.configure(f"recorder-{camera}", json=json_logs or None)
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
    settings = _load(site)
    stop = _stop_on_signals()
    from pipeline import telemetry

    telemetry.configure("matcher", json=json_logs or None)
    from pipeline.matcher.service import run_matcher

    run_matcher(settings, stop, until_end=until_end, standby=standby)
    if stop.is_set() and until_end:
        raise typer.Exit(STOPPED)


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

    people.list_identities(_load(site), camera, since, limit, as_json=json)


@app.command(epilog="Example: camtrail show 17 site.yaml")
def show(
    identity: Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")],
    site: SiteFile = DEFAULT_SITE,
    json: AsJson = False,
) -> None:
    """Show where one person was, when, for how long, in which order."""
    from pipeline import people

    people.show_identity(_load(site), identity, as_json=json)


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
    people.explain(_load(site), key, as_json=json)


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

    show_topology(_load(site), html, as_json=json)


@app.command(epilog="Example: camtrail confirm 17 site.yaml --by Ada")
def confirm(
    identity: Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")],
    site: SiteFile = DEFAULT_SITE,
    tracklet: Tracklets = None,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Say that you looked, and that the tracklets of an identity show one person.

    The matcher leaves them there, and they become labels that `camtrail crops export` tells from
    what it guessed. Without --tracklet all that the identity has now.
    """
    from pipeline import correct

    arguments = {"identity": identity, "tracklets": correct.parse_keys(tracklet or [])}
    correct.run(_load(site), "confirm", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail merge 17 23 site.yaml")
def merge(
    one: Annotated[int, typer.Argument(metavar="ID", help="The number of an identity.")],
    other: Annotated[int, typer.Argument(metavar="ID", help="That of another one.")],
    site: SiteFile = DEFAULT_SITE,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Say that two identities are one person; the older number stays.

    The matcher never takes them apart again. Refused where they were in two places at once.
    """
    from pipeline import correct

    correct.run(_load(site), "merge", by, {"identities": [one, other]}, as_json=json)


@app.command(epilog="Example: camtrail split 17 site.yaml --tracklet gate/01JG.../4")
def split(
    identity: Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")],
    tracklet: Tracklets,
    site: SiteFile = DEFAULT_SITE,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Say that some tracklets of an identity show somebody else, who gets a new number.

    The matcher never puts the two together again.
    """
    from pipeline import correct

    arguments = {"identity": identity, "tracklets": correct.parse_keys(tracklet or [])}
    correct.run(_load(site), "split", by, arguments, as_json=json)


@app.command(epilog='Example: camtrail rename 17 "Ada" site.yaml')
def rename(
    identity: Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")],
    name: Annotated[str, typer.Argument(help="How to call it; empty takes the name away.")],
    site: SiteFile = DEFAULT_SITE,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Give an identity a name."""
    from pipeline import correct

    arguments = {"identity": identity, "name": name or None}
    correct.run(_load(site), "rename", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail staff 17 site.yaml")
def staff(
    identity: Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")],
    site: SiteFile = DEFAULT_SITE,
    no: Annotated[bool, typer.Option("--no", help="Take the mark away.")] = False,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Mark somebody as staff, whom the pages can leave out."""
    from pipeline import correct

    correct.run(_load(site), "staff", by, {"identity": identity, "staff": not no}, as_json=json)


@app.command(epilog='Example: camtrail watch 17 site.yaml --reason "lost a bag"')
def watch(
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID] [SITE]", help="The number of the identity; the site.yaml."),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown beside the mark.")] = "",
    no: Annotated[bool, typer.Option("--no", help="Take somebody off the list.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Print the list instead.")] = False,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Put somebody on the watch list, or print it: the pages show the mark."""
    from pipeline import correct

    identity, site = _number_and_site(which, "ID")
    if show_list:
        correct.list_watched(_load(site), as_json=json)
        return
    if identity is None:
        raise CamtrailError("which identity? Give its number, or --list")
    arguments = {"identity": identity, "reason": None if no else reason}
    correct.run(_load(site), "watch", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail undo 4 site.yaml")
def undo(
    which: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORRECTION] [SITE]",
            help="Its number as `camtrail corrections` prints it; by default your last one.",
        ),
    ] = None,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Take a correction back: who is who, names and marks are as they were before.

    Corrections of one person are taken back in the reverse order. What was forgotten is gone.
    """
    from pipeline import correct

    number, site = _number_and_site(which, "CORRECTION")
    arguments = {"correction": number, "administrator": True}
    correct.run(_load(site), "undo", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail corrections site.yaml --json")
def corrections(
    site: SiteFile = DEFAULT_SITE,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
    json: AsJson = False,
) -> None:
    """List what people corrected, the newest first, and what was taken back."""
    from pipeline import correct

    correct.list_corrections(_load(site), limit, as_json=json)


@app.command(epilog="Example: camtrail forget 17 site.yaml --yes")
def forget(
    identity: Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")],
    site: SiteFile = DEFAULT_SITE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Delete all that is known of a person: tracklets, embeddings, crops, recordings, for good.

    Somebody who is in view goes on being seen, as a new tracklet.
    """
    if not yes:
        typer.confirm(f"Forget identity {identity} for good?", abort=True, err=True)
    from pipeline import correct

    correct.run(_load(site), "forget", by, {"identity": identity}, as_json=json)


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
) -> None:
    """Watch and search in a browser: who was where, a person's way, search by picture."""
    from pipeline.viewer import command

    command.run(_load(site), host, port)


@users.command("add", epilog="Example: camtrail users add ada site.yaml --role administrator")
def add_user(name: UserName, site: SiteFile = DEFAULT_SITE, role: RoleName = "viewer") -> None:
    """Add a user; the password is asked for, or read from the standard input.

    From the first user on, the viewer asks everybody to log in.
    """
    from pipeline.viewer.access import command

    command.add_user(_load(site), name, role)


@users.command("list", epilog="Example: camtrail users list site.yaml")
def list_users(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """List the users and their roles."""
    from pipeline.viewer.access import command

    command.list_users(_load(site), as_json=json)


@users.command("remove", epilog="Example: camtrail users remove ada site.yaml")
def remove_user(name: UserName, site: SiteFile = DEFAULT_SITE) -> None:
    """Remove a user, with the sessions and tokens."""
    from pipeline.viewer.access import command

    command.remove_user(_load(site), name)


@users.command("password", epilog="Example: camtrail users password ada site.yaml")
def change_password(name: UserName, site: SiteFile = DEFAULT_SITE) -> None:
    """Ask for another password; who has logged in with the old one is logged out."""
    from pipeline.viewer.access import command

    command.change_password(_load(site), name)


@users.command("role", epilog="Example: camtrail users role ada site.yaml --role operator")
def change_role(name: UserName, role: RoleName, site: SiteFile = DEFAULT_SITE) -> None:
    """Give a user another role."""
    from pipeline.viewer.access import command

    command.change_role(_load(site), name, role)


@tokens.command("add", epilog="Example: camtrail tokens add ada site.yaml --label door --days 30")
def add_token(
    name: UserName,
    site: SiteFile = DEFAULT_SITE,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    days: Annotated[float, typer.Option(help="How long it holds.")] = 90.0,
    role: Annotated[
        str | None,
        typer.Option(metavar="viewer|operator|administrator", help="At most the user's."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Print a new token that acts for a user; it is shown this once.

    Programs send it as `Authorization: Bearer TOKEN`.
    """
    from pipeline.viewer.access import command

    command.add_token(_load(site), name, label, role, days, as_json=json)


@tokens.command("list", epilog="Example: camtrail tokens list site.yaml")
def list_tokens(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    from pipeline.viewer.access import command

    command.list_tokens(_load(site), as_json=json)


@tokens.command("revoke", epilog="Example: camtrail tokens revoke 3 site.yaml")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `camtrail tokens list` says.")],
    site: SiteFile = DEFAULT_SITE,
) -> None:
    """End a token at once."""
    from pipeline.viewer.access import command

    command.revoke_token(_load(site), number)


@app.command(epilog="Example: camtrail audit site.yaml --identity 17")
def audit(
    site: SiteFile = DEFAULT_SITE,
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this user did.")
    ] = None,
    identity: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="Only what was about this person.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many lines.")] = 100,
    json: AsJson = False,
) -> None:
    """Say who looked at whom in the viewer, and who changed what, the newest first."""
    from pipeline.viewer.access import command

    command.show_audit(_load(site), author, identity, limit, as_json=json)


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

    command(_load(site), out, labels, since, until, camera or [], min_quality, test, as_json=json)


@encoder.command(epilog="Example: camtrail encoder info site.yaml --json")
def info(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Say which encoder is in use, which were before, and whether the gallery is its."""
    from pipeline.encoders.command import run_info

    run_info(_load(site), as_json=json)


@encoder.command(
    epilog="Example: camtrail encoder promote runs/mine/encoder.safetensors site.yaml "
    "--comparison comparison.json"
)
def promote(
    file: Annotated[Path, typer.Argument(metavar="ENCODER", help=".safetensors or .onnx")],
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

    run_promote(_load(site), file, comparison, force=force, as_json=json)


@encoder.command(epilog="Example: camtrail encoder rollback site.yaml")
def rollback(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Take the encoder that was in use before the last promotion again."""
    from pipeline.encoders.command import run_rollback

    run_rollback(_load(site), as_json=json)


@notify.command("run", epilog="Example: camtrail notify run site.yaml")
def notify_run(site: SiteFile = DEFAULT_SITE, json_logs: JsonLogs = False) -> None:
    """Tell the receivers of `notify:` in site.yaml. `camtrail run` starts it itself."""
    settings = _load(site)
    stop = _stop_on_signals()
    from pipeline import telemetry

    telemetry.configure("notifier", json=json_logs or None)
    from pipeline.notify.service import run_notifier

    run_notifier(settings, stop)


@notify.command("test", epilog="Example: camtrail notify test site.yaml")
def notify_test(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Send each receiver a test event; exit status 1 if one did not take it."""
    from pipeline.notify import command

    raise typer.Exit(command.run_test(_load(site), as_json=json))


@notify.command("status", epilog="Example: camtrail notify status site.yaml --json")
def notify_status(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Say how many notifications wait for each receiver, were delivered, were given up."""
    from pipeline.notify import command

    command.run_status(_load(site), as_json=json)


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

    command.run(_load(site), truth, as_json=json)


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
        command.run_follow(_load(site), out, _stop_on_signals(), as_json=json)
    else:
        command.run_record(_load(site), out, since, until, as_json=json)


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

    Each site is left out in turn: the figures are those of settings chosen without it.
    """
    from pipeline.tune import command

    command.run(files, truth, trials, jobs, as_json=json)


@app.command(epilog="Example: camtrail doctor site.yaml")
def doctor(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Check packages, GPU, weights, Redis, cameras, disk and clock; exit status 1 if one fails."""
    from pipeline import doctor as command

    raise typer.Exit(command.run(site, as_json=json))


@app.command(epilog="Example: camtrail config site.yaml --json")
def config(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Print the effective configuration, defaults included, with secrets redacted."""
    from pipeline.config import effective

    data = effective(_load(site))
    if json:
        from pipeline.output import print_json

        print_json(data)
        return
    import yaml

    typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


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

        serve_viewer(_load(out / "site.yaml"))
    raise typer.Exit(status)


def _number_and_site(words: list[str] | None, name: str) -> tuple[int | None, Path]:
    """Of a number and a site.yaml, both of which may be left out."""
    match words or []:
        case []:
            return None, DEFAULT_SITE
        case [number] if number.isdecimal():
            return int(number), DEFAULT_SITE
        case [path]:
            return None, Path(path)
        case [number, path] if number.isdecimal():
            return int(number), Path(path)
    raise CamtrailError(f"{' '.join(words or [])}: expected [{name}] [SITE]")


def _load(path: Path) -> Site:
    from pipeline.config import load_site

    return load_site(path)


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a process can flush what it holds."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    main()
