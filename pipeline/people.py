"""`camtrail identities` and `camtrail show`: who was seen where, straight from the store."""

from __future__ import annotations

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
    after = None if since is None else parse_since(since, time.time())
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
    for name in ("name", "first seen", "last seen", "cameras"):
        table.add_column(name)
    table.add_column("tracklets", justify="right")
    for person in found[:limit]:
        table.add_row(
            str(person.identity),
            person.name or "",
            local_time(person.first_seen),
            local_time(person.last_seen),
            ", ".join(person.cameras),
            str(person.tracklets),
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


def parse_since(text: str, now: float) -> float:
    """Seconds since the epoch of a date and time (local unless it says otherwise) or of `12h`."""
    if ago := _AGO.match(text):
        return now - float(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise CamtrailError(
            f"--since {text}: expected a time such as 2026-01-05T09:00, or 30m, 12h, 7d"
        ) from None


def _with_gaps(visits: list[Visit]) -> Iterator[tuple[Visit, float | None]]:
    """Each visit with the seconds since the end of all before; negative where they overlap."""
    end: float | None = None
    for visit in visits:
        yield visit, None if end is None else visit.start - end
        end = visit.end if end is None else max(end, visit.end)


def _print_visits(summary: IdentitySummary, rows: list[tuple[Visit, float | None]]) -> None:
    console = Console()
    name = f" ({summary.name})" if summary.name else ""
    console.print(
        f"[bold]identity {summary.identity}[/bold]{name}: {len(rows)} visits to "
        f"{', '.join(summary.cameras)}, from {local_time(summary.first_seen)} "
        f"to {local_time(summary.last_seen)}"
    )
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("camera", "from", "for", "after", "decision", "similarity", "runner-up", "crop"):
        table.add_column(
            column,
            justify="right" if column in {"similarity", "runner-up"} else "left",
            overflow="fold",
        )
    for visit, gap in rows:
        table.add_row(
            visit.camera,
            local_time(visit.start),
            duration(visit.end - visit.start),
            "" if gap is None else "at once" if gap < 0 else duration(gap),
            str(visit.decision),
            _number(visit.similarity),
            _number(visit.runner_up),
            "" if visit.crop is None else str(visit.crop),
        )
    console.print(table)


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.2f}"  # NaN differs from itself
