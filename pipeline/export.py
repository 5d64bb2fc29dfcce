"""`camtrail export`: who went where, for statistics, without anybody's name, face or embedding.

Who is who is said by pseudonyms: HMAC-SHA256 with a key that is made anew for each export and kept
nowhere, so that the names of two exports have nothing in common. The data stay personal data where
somebody can be known by where they were and when; ``coarsen`` makes that harder.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import math
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.exports import note_export
from pipeline.output import print_json
from pipeline.people import parse_time
from pipeline.store import Store

FORMATS = ("csv", "jsonl")

_LENGTH = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Row = dict[str, str]


class _Seen(NamedTuple):
    start: float
    end: float
    camera: str
    person: str


def export(
    site: Site, out: Path, format_: str, coarsen: str | None, since: str | None, *, as_json: bool
) -> None:
    """Writes ``visits`` and ``transitions`` below ``out``.

    Args:
        out: a folder, new or empty.
        coarsen: to what length times are rounded down, such as 5m; None: seconds.
        since: only visits that began since; a date and time, or how long ago.

    Raises:
        CamtrailError: an argument is wrong, or there is no store.
    """
    if format_ not in FORMATS:
        raise CamtrailError(f"--format {format_}: there are {', '.join(FORMATS)}")
    grid = 1 if coarsen is None else _length(coarsen)
    after = -math.inf if since is None else parse_time(since, time.time(), "--since")
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        seen = list(_seen(store, _pseudonyms(), after))
    visits = [
        {"person": s.person, "camera": s.camera, "start": _time(s.start, grid)}
        | {"end": _time(s.end, grid)}
        for s in seen
    ]
    written = {"visits": visits, "transitions": list(_transitions(seen, grid))}
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise CamtrailError(f"{out}: is not empty")
        note_export(site, "export", out)
        for name, rows in written.items():
            # in an order that says nothing beyond what is in the rows
            _write(out / f"{name}.{format_}", sorted(rows, key=lambda row: sorted(row.items())))
    except OSError as error:
        raise CamtrailError(f"{out}: cannot be written: {error.strerror}") from None
    counts = {name: len(rows) for name, rows in written.items()}
    if as_json:
        print_json({"out": out, **counts})
    else:
        print(f"{out}: {counts['visits']} visits, {counts['transitions']} transitions")


def _pseudonyms() -> Callable[[int], str]:
    key = secrets.token_bytes(32)
    return lambda number: hmac.new(key, str(number).encode(), hashlib.sha256).hexdigest()[:16]


def _seen(store: Store, pseudonym: Callable[[int], str], after: float) -> Iterable[_Seen]:
    for person in store.identities():
        name = pseudonym(person.identity)
        for visit in store.identity(person.identity).visits:
            if visit.start >= after:
                yield _Seen(visit.start, visit.end, visit.camera, name)


def _transitions(seen: Sequence[_Seen], grid: int) -> Iterable[Row]:
    """From each visit of somebody to the next one in another camera."""
    ordered = sorted(seen, key=lambda s: (s.person, s.start, s.end))
    for one, other in pairwise(ordered):
        if one.person == other.person and one.camera != other.camera:
            way = {"person": one.person, "from": one.camera, "to": other.camera}
            yield way | {"left": _time(one.end, grid), "came": _time(other.start, grid)}


def _length(text: str) -> int:
    match = _LENGTH.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= 7 * 86_400:
        raise CamtrailError(f"--coarsen {text}: expected a length from 1s to 7d, such as 5m")
    return seconds


def _time(seconds: float, grid: int) -> str:
    return datetime.fromtimestamp(seconds // grid * grid, UTC).isoformat().replace("+00:00", "Z")


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
            return
        columns: Any = ("person", "camera", "start", "end")
        if path.stem == "transitions":
            columns = ("person", "from", "to", "left", "came")
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
