"""The whole way on a small store, with the live system as a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reid_models import load_encoder
from tests.train.retrain.filled import fill, write_encoder, write_site
from train.cli import main
from train.errors import TrainError
from train.retrain.live import ask
from train.retrain.steps import Outcome, Wish, check_same, promote, settings_for

pytestmark = pytest.mark.timeout(900)  # whole programs start here, on machines that may be busy

SMALL = ["epochs=1", "warmup_epochs=0", "workers=0", "precision=fp32", "clustering.k1=10"]
SMALL += ["clustering.eps=0.7", "steps=2", "images_per_identity=2", "identities_per_batch=2"]
SMALL += ["clustering.min_samples=2"]
CHANGES = [word for change in SMALL for word in ("--set", change)]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """The status with which `camtrail-train retrain` ends."""
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "retrain", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_judged_by_tracklets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    site, out = write_site(tmp_path / "site"), tmp_path / "run"
    fill(site)
    options = ["--site", site, "--out", out, *CHANGES]
    assert run(monkeypatch, *options, "--json") == 0
    said = capfd.readouterr()
    found = json.loads(said.out)
    assert (found["judged_by"], found["measure"]) == ("tracklets", "consistency")
    assert found["promoted"] is False
    assert "learning from 288 crops without labels; 96 crops of the newest" in said.err
    assert "epoch 1/1" in said.err
    record = json.loads((out / "training" / "run.json").read_text())
    assert record["settings"]["clustering"]["tracklets"] is True
    assert "purity" not in record["epochs"][0]["losses"]  # nobody knows who is who
    former = load_encoder(out / "former.safetensors", "cpu")
    assert load_encoder(found["encoder"], "cpu").fingerprint != former.fingerprint
    compared = json.loads((out / "comparison.json").read_text())
    assert compared["old"]["fingerprint"] == former.fingerprint

    # what is there is not done again
    assert run(monkeypatch, *options, "--resume") == 0
    again = capfd.readouterr()
    assert "exporting" not in again.err
    assert "epoch" not in again.err
    assert "judged by tracklets" in again.out
    assert ("stays" in again.out) == (not found["better"])

    for more, message in (
        ([], "exists and is not empty"),
        (["--resume", "--seed", "3"], "begun with something else (seed was 0 and is 3)"),
    ):
        assert run(monkeypatch, *options, *more) == 2
        assert message in capfd.readouterr().err
    with pytest.raises(TrainError, match=r"encoder was .* and is abc"):
        check_same(out, {"seed": 0, "encoder": "abc"})


@pytest.mark.slow
def test_judged_by_confirmed_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    site, out = write_site(tmp_path / "site"), tmp_path / "run"
    fill(site, confirmed=6)
    options = ["--site", site, "--out", out, *CHANGES, "--promote", "--json"]
    assert run(monkeypatch, *options) == 0
    said = capfd.readouterr()
    found = json.loads(said.out)
    assert (found["judged_by"], found["measure"]) == ("confirmed people", "mAP")
    assert "learning from 180 crops" in said.err  # of ten people
    compared = json.loads((out / "comparison.json").read_text())
    assert (compared["identities"], compared["queries"]) == (6, 12)
    assert found["gain"] == compared["gain"]["value"]
    assert found["better"] == compared["better"] == found["promoted"]
    assert (out / "comparison.html").is_file()
    used = ask("encoder", "info", site)["fingerprint"]
    assert used == compared["new" if found["promoted"] else "old"]["fingerprint"]


def test_promotion(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    new = write_encoder(tmp_path / "new.safetensors", 5)
    prints = [
        load_encoder(f, "cpu").fingerprint for f in (site.parent / "encoder.safetensors", new)
    ]
    facts: dict[str, Any] = {"format": 1, "data": "site yard", "measure": "consistency"}
    facts |= {"old": {"fingerprint": prints[0]}, "new": {"fingerprint": prints[1]}}
    file = tmp_path / "comparison.json"
    wish = Wish(site, "ice", "default", (), None, 0.25, 0)
    gain = {"value": 0.05, "low": 0.02, "high": 0.1}
    file.write_text(json.dumps(facts | {"gain": gain, "better": True}))
    promote(wish, Outcome(str(new), str(file), "tracklets", "consistency", 0.05, 0.02, 0.1, True))
    record = json.loads((site.parent / "data" / "encoders" / "current.json").read_text())
    assert record["used"][-1]["fingerprint"] == prints[1]
    assert (record["used"][-1]["measure"], record["used"][-1]["gain"]) == ("consistency", 0.05)


def test_nothing_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    site = write_site(tmp_path / "site")
    assert run(monkeypatch, "--site", site, "--out", tmp_path / "run") == 2
    said = capfd.readouterr().err
    assert "camtrail-train: `camtrail crops export` did not succeed: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--method", "magic"], "--method magic: is one of ice, abmt"),
        (["--resume"], "there is no retrain.json to resume from"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
) -> None:
    site = write_site(tmp_path / "site")
    assert run(monkeypatch, "--site", site, "--out", tmp_path / "run", *options) == 2
    assert says in capfd.readouterr().err


def test_settings_begin_with_the_encoder_in_use(tmp_path: Path) -> None:
    former = write_encoder(tmp_path / "former.safetensors")
    wish = Wish(tmp_path, "ice", "default", ("epochs=3", "height=96"), None, 0.25, 0)
    ice = settings_for(wish, former)
    assert (ice.architecture, ice.arguments, ice.weights) == (
        "stripenet",
        {"dimension": 16},
        str(former),
    )
    assert (ice.epochs, ice.height, ice.width) == (3, 96, 32)  # the user's word is the last
    abmt = settings_for(Wish(tmp_path, "abmt", "default", (), None, 0.25, 0), former)
    assert (abmt.architecture, abmt.arguments["backbone"]) == ("asymmetric", "stripenet")
    assert abmt.weights == str(former)
