"""The page of a comparison, as a browser would read it, and the command that writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models.weights import read_encoder, save_encoder
from tests.train.evaluation.test_page import read
from tests.train.test_export import encoder_file
from train.cli import main
from train.compare import compare
from train.comparison_page import write_comparison
from train.data import load_folder
from train.errors import TrainError


@pytest.fixture
def encoders(tmp_path: Path) -> tuple[Path, Path]:
    """One that sees, and one whose embeddings are all alike but for a trace."""
    sighted, dim = encoder_file(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"
    network, description = read_encoder(sighted)
    with torch.no_grad():
        network.get_parameter("project.weight")[1:] = 0
    save_encoder(dim, network, description)
    return sighted, dim


def test_shows_who_is_found_otherwise(
    market: Path, tmp_path: Path, encoders: tuple[Path, Path]
) -> None:
    result = compare(*encoders, load_folder(market, "m <b>"), "cpu")
    file = tmp_path / "page.html"
    write_comparison(file, result)
    found = read(file)
    assert "Two encoders on m <b>" in found.text
    assert result.verdict in found.text
    for side in (result.old.measured, result.new.measured):
        assert side.fingerprint in found.text
        assert f"{side.mean_average_precision.value:.3f}" in found.text
        assert f"{side.thresholds.accept:.3f}" in found.text
    gains = result.new.ranking.precisions - result.old.ranking.precisions
    assert np.count_nonzero(gains) > 0
    assert len(found.lists) == 2 * np.count_nonzero(gains)
    assert len(found.polylines) == 4  # ROC and CMC of both
    assert "NaN" not in "".join(found.polylines)
    worse = found.text.split("Found worse")[1].split("Found better")[0]
    shown = [float(part.split()[0]) for part in worse.split("AP ")[1:]]
    losses = [old - new for old, new in zip(shown[::2], shown[1::2], strict=True)]
    assert losses == sorted(losses, reverse=True)
    assert all(loss > 0 for loss in losses)
    assert all(address.startswith("data:image/jpeg;base64,") for address in found.addresses)


def test_an_encoder_and_itself(market: Path, tmp_path: Path, encoders: tuple[Path, Path]) -> None:
    result = compare(encoders[0], encoders[0], load_folder(market, "m"), "cpu")
    write_comparison(tmp_path / "page.html", result)
    found = read(tmp_path / "page.html")
    assert found.lists == []
    assert found.text.count("No query.") == 2


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """The exit status."""
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "compare", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("out", "file"), [("new/place", "new/place/comparison.json"), ("new/c.json", "new/c.json")]
)
def test_the_command(
    out: str,
    file: str,
    market: Path,
    tmp_path: Path,
    encoders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = (*encoders, "--data", market, "--out", tmp_path / out, "--json")
    assert command(monkeypatch, *given) == 0
    printed, progress = capsys.readouterr()
    facts = json.loads((tmp_path / file).read_text())
    assert json.loads(printed) == facts
    assert "embedding: 48 of 48" in progress
    assert set(facts["old"]) == {
        "file",
        "fingerprint",
        "mean_average_precision",
        "rank1",
        "true_positive_rates",
        "thresholds",
    }
    assert (tmp_path / file).with_suffix(".html").is_file()
    assert command(monkeypatch, *given[:-1]) == 0
    text = capsys.readouterr().out
    assert f"mAP {facts['new']['mean_average_precision']['value']:.3f}" in text
    assert facts["protocol"] in text
    assert not list(tmp_path.rglob("*.partial"))


def test_mistakes(
    market: Path,
    tmp_path: Path,
    encoders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = (*encoders, "--data", market, "--out")
    assert command(monkeypatch, *given, tmp_path / "c.html") == 2
    assert "must be a folder or a .json file" in capsys.readouterr().err
    (tmp_path / "full" / "comparison.html").mkdir(parents=True)
    assert command(monkeypatch, *given, tmp_path / "full") == 2
    assert "comparison.html: cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "full" / "comparison.json").exists()


def test_an_image_that_is_gone(market: Path, tmp_path: Path, encoders: tuple[Path, Path]) -> None:
    result = compare(*encoders, load_folder(market, "m"), "cpu")
    for path in (market / "query").iterdir():
        path.unlink()
    with pytest.raises(TrainError, match="not a readable image"):
        write_comparison(tmp_path / "page.html", result)
