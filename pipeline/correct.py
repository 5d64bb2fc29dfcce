"""`camtrail confirm|merge|split|rename|staff|watch|forget|undo`: a person says who is who.

The matcher carries it out where one runs, so that it holds at once; else it is done here.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Sequence
from typing import Any

import redis
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.alone import forget_messages_alone, no_matcher
from pipeline.author import logged_in
from pipeline.bus import Keys, Request, ask, connect
from pipeline.config import Site, redact
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.matcher.corrections import Corrections
from pipeline.matcher.engine import Engine
from pipeline.matcher.exclusive import MatcherRunsError
from pipeline.matcher.topology import Topology
from pipeline.output import local_time, print_json
from pipeline.records import TrackletKey
from pipeline.store import Batch, Store


def correct(site: Site, kind: str, author: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """Says something of identities; see `pipeline.matcher.corrections` for kinds and arguments.

    Args:
        author: who says so; by default who is logged in.

    Raises:
        ContradictionError: it would only be done with ``force`` among the arguments.
        CamtrailError: it cannot be done; nothing has changed.
    """
    author = author or logged_in()
    Store.open(site.store_url, read_only=True).close()  # which makes none
    try:
        with no_matcher(site):
            return _carry_out(site, kind, author, arguments)
    except MatcherRunsError:
        pass
    try:
        with connect(site, name="camtrail-correct") as client:
            return ask(client, Keys(site.site), kind, author, arguments)
    except redis.RedisError as error:
        raise CamtrailError(
            f"the matcher runs, but Redis does not answer: {redact(str(error))}"
        ) from None


def _carry_out(site: Site, kind: str, author: str, arguments: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    request = Request(secrets.token_hex(16), kind, author, now, now, arguments)
    with Store.open(site.store_url, crops=site.crops_dir, keep=site.crops.keep) as store:
        engine = Engine.restore(
            store.snapshot(), site.matcher, None, tuple(site.cameras), Topology(site.topology)
        )
        answer = Corrections(store, engine).carry_out(request)
        store.commit(Batch((), (), engine.take_outcome()))
    if kind == "forget":
        forget_messages_alone(site, engine.inbox.watermark.positions())
    return answer


def run(
    site: Site, kind: str, author: str | None, arguments: dict[str, Any], *, as_json: bool
) -> None:
    """As the command line calls it: what contradicts what was seen is asked back."""
    try:
        answer = correct(site, kind, author, arguments)
    except ContradictionError as error:
        if not _person_there():
            raise CamtrailError(f"{error}; give --force to do it all the same") from None
        typer.confirm(f"{error}. Do it all the same?", abort=True, err=True)
        answer = correct(site, kind, author, arguments | {"force": True})
    if as_json:
        print_json(answer)
        return
    print(_told(kind, answer))


def _person_there() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def list_corrections(site: Site, limit: int, *, as_json: bool) -> None:
    """Prints what people said, the newest first."""
    with Store.open(site.store_url, read_only=True) as store:
        found = store.history(limit)
    if as_json:
        print_json({"corrections": found})
        return
    if not found:
        print("nothing was corrected yet")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "when", "who", "what", "identities", "tracklets", "taken back"):
        table.add_column(column, no_wrap=True)
    for change in found:
        undone = "" if change.undone_by is None else f"by {change.undone_by}"
        table.add_row(
            str(change.number),
            local_time(change.time),
            change.author,
            change.kind.value + ("" if change.undoes is None else f" {change.undoes}"),
            ", ".join(str(i) for i in (change.identity, change.other) if i is not None),
            str(change.tracklets),
            undone,
        )
    Console().print(table)


def list_watched(site: Site, *, as_json: bool) -> None:
    """Prints whom somebody watches for."""
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        found = [person for person in store.identities() if person.watched is not None]
    if as_json:
        print_json({"watched": found})
        return
    for person in found:
        name = f" ({person.name})" if person.name else ""
        reason = f": {person.watched}" if person.watched else ""
        seen = local_time(person.last_seen)
        print(f"identity {person.identity}{name}, last seen {seen}{reason}")
    if not found:
        print("nobody is watched for")


def _told(kind: str, answer: dict[str, Any]) -> str:
    """What came of it, in words."""
    if kind in _MARKS:
        name, given, taken = _MARKS[kind]
        mark = given if answer[name] not in (None, False) else taken
        return f"identity {answer['identity']} is {mark}"
    if kind == "rename" and answer["name"] is None:
        return f"identity {answer['identity']} has no name"
    told = _TEXTS[kind].format(**answer | {"n": _count(answer.get("tracklets"))})
    if kind == "forget" and not answer.get("overwritten", True):
        told += "; `camtrail store compact` takes it out of the files of the database as well"
    return told


_MARKS = {
    "staff": ("staff", "staff", "not staff"),
    "watch": ("reason", "watched for", "not watched for"),
}
_TEXTS = {
    "confirm": "confirmed by {by}: identity {identity} in {n} tracklets",
    "merge": "identity {merged} is identity {identity} now, which has {n} tracklets",
    "split": "{n} tracklets of identity {identity} are identity {new} now",
    "rename": "identity {identity} is called {name}",
    "forget": "identity {identity} is forgotten, with {n} tracklets, crops and recordings",
    "undo": "taken back: correction {undone}, {kind} of identity {identity}",
}


def _count(tracklets: object) -> int:
    return len(tracklets) if isinstance(tracklets, list) else int(str(tracklets or 0))


def parse_keys(texts: Sequence[str]) -> list[TrackletKey]:
    """Tracklets' keys as `camtrail show --json` prints them: ``CAMERA/RUN/TRACK``.

    Raises:
        CamtrailError: one is none.
    """
    return [_parse_key(text) for text in texts]


def _parse_key(text: str) -> TrackletKey:
    match text.split("/"):
        case [camera, run, track] if camera and run and track.isdecimal():
            return TrackletKey(camera, run, int(track))
    raise CamtrailError(f"{text}: expected CAMERA/RUN/TRACK, as `camtrail show --json` prints it")
