"""`camtrail retention`: what is kept how long. It deletes nothing."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from pipeline.config import Site
from pipeline.output import local_time, print_json
from pipeline.retention.kinds import Kind, all_kinds

_UNITS = ("B", "kB", "MB", "GB", "TB")


def show(site: Site, *, as_json: bool) -> None:
    """Prints each kind of data: how long it is kept, how much there is, and what goes next."""
    kinds = list(all_kinds(site, time.time()))
    if as_json:
        print_json({"kinds": kinds})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("kind", "kept", "number", "size", "oldest", "next", "by"):
        right = heading in ("number", "size", "next")
        table.add_column(heading, no_wrap=True, justify="right" if right else "left")
    for kind in kinds:
        table.add_row(*_row(kind))
    console = Console()
    console.print(table)
    for kind in kinds:
        if kind.number or kind.said:
            said = f"{kind.where}{'; ' if kind.said else ''}{kind.said}"
            console.print(f"{kind.kind}: {said}", markup=False, highlight=False, soft_wrap=True)


def _row(kind: Kind) -> tuple[str, ...]:
    return (
        kind.kind,
        kind.kept,
        "?" if kind.number is None else str(kind.number),
        "" if kind.bytes is None else _size(kind.bytes),
        "" if kind.oldest is None else local_time(kind.oldest).partition(" ")[0],
        str(kind.due) if kind.due else "",
        kind.by,
    )


def _size(size: float) -> str:
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
