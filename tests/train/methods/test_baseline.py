"""The baseline method, trained for real on a few images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reid_models import load_encoder
from train.data import load_folder
from train.errors import TrainError
from train.methods import baseline
from train.methods.baseline import BaselineSettings, Epoch, train_baseline
from train.methods.settings import load_settings

CHANGES = [
    "height=64",
    "width=32",
    "dimension=32",
    "identities_per_batch=4",
    "images_per_identity=3",
    "warmup_epochs=1",
    "precision=fp32",
    "workers=0",
]


def settings(*changes: str) -> BaselineSettings:
    return load_settings(BaselineSettings, "baseline.yaml", [*CHANGES, *changes])


def test_learns_and_writes_what_it_promises(market: Path, tmp_path: Path) -> None:
    reports: list[Epoch] = []
    out = tmp_path / "run"
    result = train_baseline(
        load_folder(market, "m"), out, settings("epochs=12"), seed=1, report=reports.append
    )
    assert [epoch.number for epoch in reports] == list(range(1, 13))
    assert reports[-1].remaining == 0
    assert reports[-1].accuracy > 0.5 > 2 * reports[0].accuracy  # 1/8 would be chance
    assert reports[-1].triplet_loss < reports[0].triplet_loss
    assert json.loads((out / "run.json").read_text()) == json.loads(json.dumps(result))
    encoder = load_encoder(out / "encoder.safetensors", "cpu")
    assert encoder.description.metrics == [result["metrics"]]
    assert "8 identities, method baseline, seed 1" in encoder.description.trained_on
    assert result["metrics"]["map"] > 0.5
    assert "trapezoid" in result["metrics"]["protocol"]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    market: Path, tmp_path: Path
) -> None:
    data, chosen = load_folder(market, "m"), settings("epochs=3")
    train_baseline(data, tmp_path / "whole", chosen, seed=4)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_baseline(data, tmp_path / "part", chosen, seed=4, report=stop)
    train_baseline(data, tmp_path / "part", chosen, seed=4, resume=True)
    files = [tmp_path / name / "encoder.safetensors" for name in ("whole", "part")]
    assert load_encoder(files[0]).fingerprint == load_encoder(files[1]).fingerprint


def test_a_worker_process_reads_the_images(market: Path, tmp_path: Path) -> None:
    chosen = settings("epochs=1", "workers=1")
    result = train_baseline(load_folder(market, "m"), tmp_path / "run", chosen)
    assert len(result["epochs"]) == 1


def test_folders_that_are_in_the_way(market: Path, tmp_path: Path) -> None:
    data = load_folder(market, "m")
    with pytest.raises(TrainError, match="exists and is not empty"):
        train_baseline(data, market, settings())
    with pytest.raises(TrainError, match=r"no checkpoint\.pt to resume from"):
        train_baseline(data, tmp_path / "new", settings(), resume=True)


def test_checkpoints_of_strangers(market: Path, tmp_path: Path) -> None:
    data, out = load_folder(market, "m"), tmp_path / "run"
    train_baseline(data, out, settings("epochs=1"))
    with pytest.raises(TrainError, match="made with other settings"):
        train_baseline(data, out, settings("epochs=2"), resume=True)
    torch.save({"model": Path("/")}, out / "checkpoint.pt")  # would be unpickled otherwise
    with pytest.raises(TrainError, match="not a usable checkpoint"):
        train_baseline(data, out, settings("epochs=1"), resume=True)


def test_a_loss_that_explodes_is_named(market: Path, tmp_path: Path) -> None:
    chosen = settings("epochs=3", "learning_rate=1e30", "warmup_epochs=0")
    with pytest.raises(TrainError, match=r"no longer a number in epoch .* lower learning_rate"):
        train_baseline(load_folder(market, "m"), tmp_path / "run", chosen)


def test_schedule_rises_then_falls() -> None:
    rates = [baseline._schedule(epoch / 10, 2, 10) for epoch in range(101)]
    assert rates[20] == max(rates) == 1
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[0] < 0.02
    assert rates[100] == pytest.approx(0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("epoch=3", "unknown key 'epoch'; allowed are: architecture, dimension"),
        ("epochs", "write key=value"),
        ("epochs=0", "epochs: .* greater than or equal to 1"),
        ("epochs=many", "epochs: .* valid integer"),
        ("learning_rate=.nan", "learning_rate: .* finite"),
        ("precision=fp8", "precision: "),
        ("margin=[", "cannot be read"),
    ],
)
def test_bad_settings(change: str, text: str) -> None:
    with pytest.raises(TrainError, match=text):
        load_settings(BaselineSettings, "baseline.yaml", [change])


def test_settings_without_margin_mean_the_soft_margin() -> None:
    assert settings("margin=null").margin is None
