"""Sorting, filtering and paging over the catalogue.

A page begins behind a *cursor*, the sort value and number of the last row before it: so going on
is as quick at the end of 100,000 identities as at the beginning, and what comes in meanwhile
neither repeats nor hides rows.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import CamtrailError
from pipeline.viewer.catalogue import Mask, View

Cursor = tuple[float, int]


class CursorError(CamtrailError):
    """A page was asked for that does not begin anywhere."""


class Sort(StrEnum):
    """What identities are sorted by."""

    LAST_SEEN = "last_seen"
    FIRST_SEEN = "first_seen"
    VISITS = "visits"
    IDENTITY = "identity"


class Order(StrEnum):
    """In which direction."""

    DESC = "desc"
    ASC = "asc"


@dataclass(frozen=True)
class Marked:
    """Identities that have a mark; ``wanted`` is whether these are asked for or all others."""

    identities: Sequence[int]
    wanted: bool


@dataclass(frozen=True)
class Page:
    """``rows`` count in what was paged; ``total`` is how many there are in all pages."""

    rows: npt.NDArray[np.int64]
    total: int
    next: str | None


@dataclass(frozen=True)
class Sequel:
    """Somebody was in one camera until ``left`` and in another from ``came`` on; the tracklets."""

    identity: int
    left: float
    came: float
    before: int
    after: int


def identities(
    view: View,
    sort: Sort,
    order: Order,
    seen: Mask | None,
    limit: int,
    after: str | None,
    marked: Sequence[Marked] = (),
) -> Page:
    """A page of ``view.people``; with ``seen``, of those who have one of these visits.

    Raises:
        CursorError: ``after`` is no cursor.
    """
    people = view.people
    chosen = np.ones(len(people.identity), bool)
    if seen is not None:
        chosen = np.isin(people.identity, view.visits["identity"][seen])
    for mark in marked:
        chosen &= np.isin(people.identity, mark.identities) == mark.wanted
    key = getattr(people, sort.value).astype(np.float64)
    return _page(key, people.identity, chosen, order, limit, after)


def sequels(
    view: View, first: str, then: str, within: float, seen: Mask, limit: int, after: str | None
) -> tuple[list[Sequel], Page]:
    """Who was seen in camera ``first`` and then in ``then``, within ``within`` seconds: of each
    visit to ``then`` that is among ``seen``, with the last visit to ``first`` that began before.
    The newest first.

    Raises:
        CursorError: ``after`` is no cursor.
    """
    visits = view.visits
    came = np.flatnonzero(seen & (visits["camera"] == view.number(then)))
    # by identity and start, as the visits are: the last one in `first` at or before each row
    position = np.where(visits["camera"] == view.number(first), np.arange(len(visits)), -1)
    before = np.maximum.accumulate(position)[came - 1] if len(visits) else came
    fits = (came > 0) & (before >= 0)
    came, before = came[fits], before[fits]
    gap = visits["start"][came] - visits["end"][before]
    same = visits["identity"][came] == visits["identity"][before]
    came, before = came[same & (gap <= within)], before[same & (gap <= within)]
    page = _page(
        visits["start"][came],
        visits["tracklet"][came],
        np.ones(len(came), bool),
        Order.DESC,
        limit,
        after,
    )
    pairs = zip(visits[came[page.rows]].tolist(), visits[before[page.rows]].tolist(), strict=True)
    return [
        Sequel(identity=b[1], left=a[4], came=b[3], before=a[0], after=b[0]) for b, a in pairs
    ], page


def _page(
    key: npt.NDArray[np.float64],
    number: npt.NDArray[np.int64],
    chosen: Mask,
    order: Order,
    limit: int,
    after: str | None,
) -> Page:
    """The rows behind the cursor, by key and then by number."""
    total = int(chosen.sum())
    if order is Order.DESC:
        key, number = -key, -number
    if after is not None:
        value, last = _read(after)
        chosen = chosen & ((key > value) | ((key == value) & (number > last)))
    rows = np.flatnonzero(chosen)
    if len(rows) > 4 * limit:  # the first ones are enough to sort; equals of the last included
        bound = np.partition(key[rows], limit)[limit]
        rows = rows[key[rows] <= bound]
    rows = rows[np.lexsort((number[rows], key[rows]))]
    more, rows = len(rows) > limit, rows[:limit]
    cursor = _write((float(key[rows[-1]]), int(number[rows[-1]]))) if more else None
    return Page(rows, total, cursor)


def _write(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


def _read(text: str) -> Cursor:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        value: Any = json.loads(base64.urlsafe_b64decode(padded))
        key, number = float(value[0]), int(value[1])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
        key, number = math.nan, 0
    if math.isnan(key) or abs(number) >= 2**63:
        raise CursorError("after: this is no cursor of this list; leave it out")
    return key, number
