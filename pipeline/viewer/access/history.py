"""The whole audit: who looked at whom, from the log, and who changed what, from the store."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Engine, select

from pipeline.errors import CamtrailError
from pipeline.store.schema import audit
from pipeline.viewer.access.log import Line, Log

_CHUNK = 200
_NUMBER = re.compile(r"[0-9]{1,18}")
_PEOPLE = ("identity", "identities", "into", "merged", "from", "new")  # in the store's details


class Position(NamedTuple):
    """Where a page ends: the last numbers of both; None: nothing of it was shown yet."""

    look: int | None = None
    change: int | None = None

    @staticmethod
    def parse(text: str) -> Position:
        """Raises `CamtrailError` where `str` did not give it."""
        parts = text.split(".")
        if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
            raise CamtrailError("after: this is no `next` of a page of the audit")
        look, change = (int(part) for part in parts)
        return Position(look or None, change or None)

    def __str__(self) -> str:
        return f"{self.look or 0}.{self.change or 0}"


@dataclass(frozen=True)
class Page:
    """``changed`` says of each line whether it is from the store; ``next``: of the next page."""

    lines: list[Line]
    changed: list[bool]
    next: Position | None


def read_page(
    log: Log,
    store: Engine | None,
    author: str | None,
    identity: int | None,
    limit: int,
    after: Position,
) -> Page:
    """Both in one order, the newest first.

    Args:
        store: None where there is none yet.
        author, identity: only lines of this person, or about this one.
    """
    looks = ((line, False) for line in log.lines(author, identity, after.look))
    changes = ((line, True) for line in _changes(store, author, identity, after.change))
    merged = heapq.merge(looks, changes, key=lambda pair: -pair[0].time)
    found = list(islice(merged, limit + 1))
    look, change = after
    for line, changed in found[:limit]:
        look, change = (look, line.id) if changed else (line.id, change)
    more = len(found) > limit
    found = found[:limit]
    lines, kinds = [line for line, _ in found], [changed for _, changed in found]
    return Page(lines, kinds, Position(look, change) if more else None)


def _changes(
    store: Engine | None, author: str | None, identity: int | None, before: int | None
) -> Iterator[Line]:
    if store is None:
        return
    query = select(audit).order_by(audit.c.id.desc())
    if author is not None:
        query = query.where(audit.c.author == author)
    if before is not None:
        query = query.where(audit.c.id < before)
    with store.connect() as connection:
        for row in connection.execution_options(yield_per=_CHUNK).execute(query):
            detail = json.loads(row.detail)
            people = _people(detail)
            if identity is None or identity in people:
                yield Line(row.id, row.time, row.time, 1, row.author, row.action, people, detail)


def _people(detail: dict[str, Any]) -> list[int]:
    """The identities that a line of the store is about."""
    values = [detail[name] for name in _PEOPLE if name in detail]
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return sorted({one for one in flat if isinstance(one, int)})
