"""How tables are written."""

from __future__ import annotations

import json
from pathlib import Path

from train.ablate.tables import Row, Table, write_tables

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
    write_tables(tmp_path, "Study", [TABLE, TABLE])
    text = (tmp_path / "tables.md").read_text()
    assert text.startswith("# Study\n\n## Losses")
    assert text.count("| one |") == 2
    rows = json.loads((tmp_path / "tables.json").read_text())[1]["rows"]
    assert rows[0]["measured"] == {"Rank-1": 0.9512, "mAP": None}
    assert not list(tmp_path.glob("*.partial"))
