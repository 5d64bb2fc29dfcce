"""`camtrail-train results`, run through on a few images."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from train.cli import main

SMALL = ["height=64", "width=32", "workers=0", "epochs=1", "optimizer=sgd", "precision=fp32"]
SMALL += ["identities_per_batch=8", "images_per_identity=6"]  # one step an epoch


def test_the_page(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "RESULTS.md"
    changes = [part for change in SMALL for part in ("--set", change)]
    options = ["--out", tmp_path / "runs", "--data", market, "--seeds", "2", "--page", page]
    arguments = ["camtrail-train", "results", *map(str, options), *changes]
    monkeypatch.setattr(sys, "argv", arguments)
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    captured = capsys.readouterr()
    assert captured.err.count("epoch 1/1") == 6  # the second time nothing is trained
    text = page.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [
        "baseline, triplet",
        "baseline, FIDI",
        "SCR",
        "colour histogram",
    ]
    assert {row.count("|") for row in rows} == {7}
    assert all("±" in row for row in rows[2:5])
    assert "48 images of 8 identities" in text
    assert "8 queries and 16 gallery images of 4 other identities" in text
    assert f"camtrail-train results --out {tmp_path / 'runs'}" in text
    assert captured.out.endswith(text)
