"""How tables are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from train.ablate.tables import Plan, Row, Table, growing, write_tables

TABLE = Table(
    "Losses",
    "A note.",
    [
        Row("one", {"Rank-1": 0.9512, "mAP": None}, {"Market-1501": "94.5 / 85.9"}),
        Row("two", {"Rank-1": 1.0, "Error-I": 1234.5678}),
    ],
)


def test_rates_are_per_cent_and_gaps_are_empty() -> None:
    assert TABLE.markdown() == (
        "## Losses\n\nA note.\n\n"
        "|  | Rank-1 | mAP | Error-I | published: Market-1501 |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| one | 95.1 |  |  | 94.5 / 85.9 |\n"
        "| two | 100.0 |  | 1235 |  |\n"
    )


def test_both_files(tmp_path: Path) -> None:
    write_tables(tmp_path, "Study", "by hand", [TABLE, TABLE])
    text = (tmp_path / "tables.md").read_text()
    assert text.startswith("# Study\n\nRates in per cent. Measured: by hand.\n\n## Losses")
    assert text.count("| one |") == 2
    written = json.loads((tmp_path / "tables.json").read_text())
    assert written["protocol"] == "by hand"
    rows = written["tables"][1]["rows"]
    assert rows[0]["measured"] == {"Rank-1": 0.9512, "mAP": None}
    assert not list(tmp_path.glob("*.partial"))


def test_tables_grow_row_by_row() -> None:
    measured: list[str] = []

    def rows(*names: str) -> Iterator[Row]:
        for name in names:
            measured.append(name)
            yield Row(name, {})

    stages = growing([Plan("A", "", rows("a", "b")), Plan("B", "", rows("c"))])
    seen = [[(table.title, len(table.rows)) for table in next(stages)]]
    assert measured == ["a"]
    seen += [[(table.title, len(table.rows)) for table in stage] for stage in stages]
    assert seen == [[("A", 1)], [("A", 2)], [("A", 2), ("B", 1)]]
