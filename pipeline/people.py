"""`camtrail identities` and `camtrail show`: who was seen where, straight from the store."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.output import duration, local_time, plain, print_json
from pipeline.records import Decision, TrackletKey
from pipeline.store import IdentitySummary, Store, Visit

_AGO = re.compile(r"^(\d+(?:\.\d+)?)([smhd])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def list_identities(
    site: Site, camera: str | None, since: str | None, limit: int, *, as_json: bool
) -> None:
    """Prints at most ``limit`` identities, the last seen first.

    ``camera`` and ``since`` (a date and time, or how long ago) leave out who was not seen there or
    since then.
    """
    if camera is not None:
        site.camera(camera)
    after = None if since is None else parse_time(since, time.time(), "--since")
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        found = [
            person
            for person in store.identities()
            if (camera is None or camera in person.cameras)
            and (after is None or person.last_seen >= after)
        ]
    found.sort(key=lambda person: (-person.last_seen, person.identity))
    if as_json:
        print_json({"identities": found[:limit], "total": len(found)})
        return
    if not found:
        print("nobody")
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("id", justify="right")
    table.add_column("first seen", no_wrap=True)
    table.add_column("last seen", no_wrap=True)
    table.add_column("tracklets", justify="right", no_wrap=True)
    table.add_column("cameras")
    for person in found[:limit]:
        table.add_row(
            _called(person),
            local_time(person.first_seen),
            local_time(person.last_seen),
            str(person.tracklets),
            ", ".join(person.cameras),
        )
    console = Console()
    console.print(table)
    if len(found) > limit:
        console.print(f"{limit} of {len(found)}; --limit shows more")


def show_identity(site: Site, identity: int, *, as_json: bool) -> None:
    """Prints the visits of one identity in order, with the time between them."""
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        detail = store.identity(identity)
    rows = list(_with_gaps(detail.visits))
    if as_json:
        visits = [
            {**plain(visit), "key": str(visit.key), "duration": visit.end - visit.start, "gap": gap}
            for visit, gap in rows
        ]
        print_json({**plain(detail.summary), "visits": visits})
        return
    _print_visits(detail.summary, rows)


def explain(site: Site, key: TrackletKey, *, as_json: bool) -> None:
    """Prints every decision on a tracklet with what it was made of.

    Raises:
        CamtrailError: nothing was decided on it.
    """
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        decisions = store.decisions(key)
    if not decisions:
        raise CamtrailError(f"{key}: no such tracklet, or nothing was decided on it")
    if as_json:
        print_json({"tracklet": str(key), "decisions": decisions})
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("when", "identity", "because", "score", "next best", "confidence"):
        table.add_column(column)
    for decided in decisions:
        identity = "undecided" if decided.identity is None else str(decided.identity)
        former = "" if decided.former is None else f" (was {decided.former})"
        parts = " ".join(f"{name} {value:+.3f}" for name, value in decided.terms.items())
        nearest = decided.decision == Decision.NEW and not math.isnan(decided.runner_up)
        whose = "; the nearest" if nearest else ""
        table.add_row(
            local_time(decided.time),
            f"{identity}{former}",
            f"{decided.rule or decided.decision}{whose}{': ' if parts else ''}{parts}",
            f"{sum(decided.terms.values()):.3f}" if parts else "",
            "" if math.isnan(decided.runner_up) else f"{decided.runner_up:.3f}",
            "" if math.isnan(decided.confidence) else f"{decided.confidence:.0%}",
        )
    Console().print(table)


def parse_time(text: str, now: float, option: str) -> float:
    """Seconds since the epoch of a date and time (local unless it says otherwise) or of `12h`.

    Raises:
        CamtrailError: it is neither; the text names ``option``.
    """
    if ago := _AGO.match(text):
        return now - float(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise CamtrailError(
            f"{option} {text}: expected a time such as 2026-01-05T09:00, or 30m, 12h, 7d"
        ) from None


def _with_gaps(visits: list[Visit]) -> Iterator[tuple[Visit, float | None]]:
    """Each visit with the seconds since the end of all before; negative where they overlap."""
    end: float | None = None
    for visit in visits:
        yield visit, None if end is None else visit.start - end
        end = visit.end if end is None else max(end, visit.end)


def _print_visits(summary: IdentitySummary, rows: list[tuple[Visit, float | None]]) -> None:
    console = Console()
    console.print(
        f"identity {_called(summary)}: {len(rows)} visits to {', '.join(summary.cameras)}\n"
        f"{local_time(summary.first_seen)} to {local_time(summary.last_seen)}",
        highlight=False,
        markup=False,
    )
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "camera", "from", "for", "after", "decision"):
        table.add_column(column, no_wrap=True)
    table.add_column("similarity (next best)")
    for number, (visit, gap) in enumerate(rows, start=1):
        table.add_row(
            str(number),
            visit.camera,
            local_time(visit.start),
            duration(visit.end - visit.start),
            "" if gap is None else "before its end" if gap < 0 else duration(gap),
            str(visit.decision),
            _similarity(visit),
        )
    console.print(table)
    for number, (visit, _) in enumerate(rows, start=1):
        if visit.crop is not None:
            console.print(f"{number}: {visit.crop}", highlight=False, markup=False, soft_wrap=True)


def _called(person: IdentitySummary) -> str:
    """The number of somebody, with the name and the marks if there are any."""
    watched = None if person.watched is None else "watched for"
    words = [word for word in (person.name, person.staff and "staff", watched) if word]
    return f"{person.identity} ({', '.join(words)})" if words else str(person.identity)


def _similarity(visit: Visit) -> str:
    if math.isnan(visit.similarity):
        return ""
    other = "" if math.isnan(visit.runner_up) else f" ({visit.runner_up:.2f})"
    return f"{visit.similarity:.2f}{other}"
