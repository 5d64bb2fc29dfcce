"""`camtrail-train eval` and `camtrail-train cross-domain`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import Description, InputSpec, build, save_encoder
from train.cli import main
from train.data import load_folder
from train.evaluation import histogram_features

HISTOGRAM = ("--encoder", "histogram")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    file = tmp_path / "encoder.safetensors"
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=16,
        architecture="stripenet",
        arguments={"dimension": 16},
        trained_on="nothing at all",
    )
    save_encoder(file, build("stripenet", dimension=16), description)
    return file


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    """The exit status."""
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def evaluated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> dict:
    assert run(monkeypatch, "eval", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_every_protocol(
    market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (market / "bounding_box_test" / f"{i:04}_c1s1_000001_01.jpg" for i in (9, 10))
    pictures = one.read_bytes(), other.read_bytes()
    other.write_bytes(pictures[0])  # who is called another's name is hard to find
    one.write_bytes(pictures[1])
    given = (*HISTOGRAM, "--data", market)
    usual = evaluated(monkeypatch, capsys, *given)
    assert usual["protocol"] == "Market-1501, cosine, average precision by trapezoid"
    assert usual["queries"] == 8
    rectangle = evaluated(monkeypatch, capsys, *given, "--average-precision", "rectangle")
    assert rectangle["protocol"].endswith("by rectangle")
    assert rectangle["map"] > usual["map"]
    assert rectangle["rank1"] == usual["rank1"]
    changed = evaluated(monkeypatch, capsys, *given, "--rerank", "--multi-query")
    assert changed["protocol"].endswith("multi-query, re-ranked")
    assert 0 < changed["map"] <= 1
    euclidean = evaluated(monkeypatch, capsys, *given, "--metric", "euclidean")
    assert euclidean["map"] == usual["map"]  # of vectors of length 1


def test_errors_of_fidelity(
    market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a loop over all pairs."""
    data = load_folder(market, "m")
    samples = [*data.query, *data.gallery]
    rows = histogram_features(samples).embeddings
    first, second = [], []
    for anchor, sample in enumerate(samples):
        distances = np.linalg.norm(rows - rows[anchor], axis=1)
        same = np.array([other.identity == sample.identity for other in samples])
        own, others = distances[same], distances[~same]
        first.append((others < own.max()).sum())
        second.append((own > others.min()).sum())
    counted = evaluated(monkeypatch, capsys, *HISTOGRAM, "--data", market, "--errors")
    assert counted["error_1"] == pytest.approx(np.mean(first), abs=1e-4)
    assert counted["error_2"] == pytest.approx(np.mean(second), abs=1e-4)
    assert "error_1" not in evaluated(monkeypatch, capsys, *HISTOGRAM, "--data", market)


def test_a_report(
    market: Path,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page.html"
    assert run(monkeypatch, "eval", "--encoder", encoder, "--data", market, "--report", page) == 0
    out, err = capsys.readouterr()
    assert f"wrote {page}" in out
    assert "embedding market: 24 of 24" in err
    assert "Grad-CAM" in page.read_text()


def test_cross_domain(
    market: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = market.rename(market.with_name("other"))
    given = (*HISTOGRAM, "--encoder", encoder, "--data", other, "--data", other)
    assert run(monkeypatch, "cross-domain", *given, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["encoder"] for row in rows] == ["histogram"] * 2 + [str(encoder)] * 2
    assert [row["trained_on"] for row in rows] == ["nothing"] * 2 + ["nothing at all"] * 2
    assert rows[0] == rows[1]
    alone = evaluated(monkeypatch, capsys, "--encoder", encoder, "--data", other)
    assert {key: rows[2][key] for key in alone} == alone
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, "cross-domain", *given) == 0
    table = capsys.readouterr().out
    assert f"{100 * alone['map']:.1f} / {100 * alone['rank1']:.1f}" in table
    assert "average precision by trapezoid" in table


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tracklets"], "do not say which tracklet they are of"),
        (["--metric", "euclidean", "--rerank"], "measure it by cosine"),
        (["--report", "no/such/folder/page.html"], "cannot be written: there is no folder no"),
    ],
)
def test_mistakes(
    options: list[str],
    text: str,
    market: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "eval", *HISTOGRAM, "--data", market, *options) == 2
    out, err = capsys.readouterr()
    assert text in err.splitlines()[-1]
    assert out == ""
