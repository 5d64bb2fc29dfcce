"""Tables of measured figures beside published ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from train.files import write_text

_NO_RATES = ("Error", "FID", "Fréchet", "SSIM")  # how the names of such columns begin


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes:
        name: as the document has it.
        measured: figures by column.
        published: text by column; the document's figures in per cent, as it prints them.
    """

    name: str
    measured: Mapping[str, float | None]
    published: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Attributes: title; note (where the published figures are from); rows."""

    title: str
    note: str
    rows: Sequence[Row]

    def markdown(self) -> str:
        """Rates in per cent; what was not measured is empty."""
        measured = _columns(row.measured for row in self.rows)
        published = _columns(row.published for row in self.rows)
        head = ["", *measured, *(f"published: {name}" for name in published)]
        lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
        for row in self.rows:
            figures = [_figure(name, row.measured.get(name)) for name in measured]
            lines.append(
                _line([row.name, *figures, *(row.published.get(n, "") for n in published)])
            )
        return f"## {self.title}\n\n{self.note}\n\n" + "\n".join(lines) + "\n"


class Plan(NamedTuple):
    """A table whose rows are still to be measured, one after the other."""

    title: str
    note: str
    rows: Iterator[Row]


def growing(plans: Iterable[Plan]) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row."""
    done: list[Table] = []
    for plan in plans:
        rows: list[Row] = []
        for row in plan.rows:
            rows.append(row)
            yield [*done, Table(plan.title, plan.note, rows)]
        done.append(Table(plan.title, plan.note, rows))


def write_tables(out: Path, title: str, protocol: str, tables: Sequence[Table]) -> None:
    """``out/tables.md`` and ``out/tables.json``; each appears whole or not at all.

    Args:
        out: folder, which exists.
        title: of the page.
        protocol: by which rates were measured.
        tables: as far as they are filled.
    """
    text = f"# {title}\n\nRates in per cent. Measured: {protocol}.\n\n"
    write_text(out / "tables.md", text + "\n".join(table.markdown() for table in tables))
    values = {"title": title, "protocol": protocol, "tables": [asdict(t) for t in tables]}
    write_text(out / "tables.json", json.dumps(values, indent=2) + "\n")


def _columns(rows: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if name.startswith(_NO_RATES) else f"{100 * value:.1f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
