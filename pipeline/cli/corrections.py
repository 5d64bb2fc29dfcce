"""Commands by which people say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load
from pipeline.errors import CamtrailError

if TYPE_CHECKING:
    from pipeline.records import TrackletKey

app = typer.Typer()
Identity = Annotated[int, typer.Argument(metavar="ID", help="The number of the identity.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so; you, by default.")]
Force = Annotated[
    bool, typer.Option("--force", help="Do it though somebody was in two places at once.")
]
Tracklets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="One of its tracklets, CAMERA/RUN/TRACK as `camtrail show --json` prints it; give it "
        "once for each.",
    ),
]


@app.command(epilog="Example: camtrail confirm 17 site.yaml --by Ada")
def confirm(
    identity: Identity,
    site: SiteFile = DEFAULT_SITE,
    tracklet: Tracklets = None,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Say that you looked, and that the tracklets of an identity show one person.

    The matcher leaves them there, and they become labels that `camtrail crops export` tells from
    what it guessed. Without --tracklet all that the identity has now.
    """
    arguments = {"identity": identity, "tracklets": _keys(tracklet or [])}
    _say(site, "confirm", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail merge 17 23 site.yaml")
def merge(
    one: Annotated[int, typer.Argument(metavar="ID", help="The number of an identity.")],
    other: Annotated[int, typer.Argument(metavar="ID", help="That of another one.")],
    site: SiteFile = DEFAULT_SITE,
    force: Force = False,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Say that two identities are one person; the older number stays.

    The matcher never takes them apart again. Asked back where they were in two places at once.
    """
    arguments = {"identities": [one, other], "force": force}
    _say(site, "merge", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail split 17 site.yaml --tracklet gate/01JG.../4")
def split(
    identity: Identity,
    tracklet: Tracklets,
    site: SiteFile = DEFAULT_SITE,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Say that some tracklets of an identity show somebody else, who gets a new number.

    The matcher never puts the two together again.
    """
    arguments = {"identity": identity, "tracklets": _keys(tracklet or [])}
    _say(site, "split", by, arguments, as_json=json)


@app.command(epilog='Example: camtrail rename 17 "Ada" site.yaml')
def rename(
    identity: Identity,
    name: Annotated[str, typer.Argument(help="How to call it; empty takes the name away.")],
    site: SiteFile = DEFAULT_SITE,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Give an identity a name."""
    _say(site, "rename", by, {"identity": identity, "name": name or None}, as_json=json)


@app.command(epilog="Example: camtrail staff 17 site.yaml")
def staff(
    identity: Identity,
    site: SiteFile = DEFAULT_SITE,
    no: Annotated[bool, typer.Option("--no", help="Take the mark away.")] = False,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Mark somebody as staff, whom the pages can leave out."""
    _say(site, "staff", by, {"identity": identity, "staff": not no}, as_json=json)


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
    identity, site = _number_and_site(which, "ID")
    if show_list:
        from pipeline import correct

        correct.list_watched(load(site), as_json=json)
        return
    if identity is None:
        raise CamtrailError("which identity? Give its number, or --list")
    arguments = {"identity": identity, "reason": None if no else reason}
    _say(site, "watch", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail undo 4 site.yaml")
def undo(
    which: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORRECTION] [SITE]",
            help="Its number as `camtrail corrections` prints it; by default your last one.",
        ),
    ] = None,
    force: Force = False,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Take a correction back: who is who, names and marks are as they were before.

    Corrections of one person are taken back in the reverse order. What was forgotten is gone.
    """
    number, site = _number_and_site(which, "CORRECTION")
    arguments = {"correction": number, "administrator": True, "force": force}
    _say(site, "undo", by, arguments, as_json=json)


@app.command(epilog="Example: camtrail corrections site.yaml --json")
def corrections(
    site: SiteFile = DEFAULT_SITE,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
    json: AsJson = False,
) -> None:
    """List what people corrected, the newest first, and what was taken back."""
    from pipeline import correct

    correct.list_corrections(load(site), limit, as_json=json)


@app.command(epilog="Example: camtrail forget 17 site.yaml --yes")
def forget(
    identity: Identity,
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
    _say(site, "forget", by, {"identity": identity}, as_json=json)


def _say(
    site: Path, kind: str, author: str | None, arguments: dict[str, Any], *, as_json: bool
) -> None:
    from pipeline import correct  # takes what only these commands need

    correct.run(load(site), kind, author, arguments, as_json=as_json)


def _keys(texts: list[str]) -> list[TrackletKey]:
    from pipeline.correct import parse_keys

    return parse_keys(texts)


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
