"""What a program prints: a table, or with ``--json`` one object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Lists of mappings become tables, everything else a line."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    for name, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            print(f"\n{name}")
            _rows(value)
        else:
            print(f"{name:34} {value}")


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median and worst, rounded; None where there are none."""
    if not values:
        return {"median": None, "worst": None}
    return {"median": round(float(np.median(values)), 2), "worst": round(max(values), 2)}


def _rows(rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(rows[0])
    cells = [names, *(["" if row[n] is None else str(row[n]) for n in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
