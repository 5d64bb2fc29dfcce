"""YAML files, `--set`, and what is said of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from train.errors import TrainError
from train.methods import METHODS
from train.methods.settings import dump_settings, settings_text
from train.run import method_settings


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_every_value_is_in_the_file(method: str, preset: str) -> None:
    written = yaml.safe_load(settings_text(method, preset))
    assert dump_settings(method_settings(method, preset)) == written


@pytest.mark.parametrize("method", METHODS)
def test_ones_own_file(method: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = settings_text(method, "default")
    file.write_text(re.sub(r"^height: \d+", "height: 96", text, flags=re.MULTILINE))
    assert method_settings(method, str(file)).height == 96
    assert method_settings(method, str(file), ["height=80"]).height == 80


def test_nested_values() -> None:
    chosen = method_settings(
        "baseline",
        changes=[
            "augmentation.erase=0.2",
            "arguments.stripes=6",
            "validation.share=.2",
            "validation.every=3",
        ],
    )
    assert chosen.augmentation.erase == 0.2
    assert chosen.augmentation.mirror == 0.5
    assert chosen.arguments == {"dimension": 256, "stripes": 6}
    assert chosen.validation is not None
    assert (chosen.validation.share, chosen.validation.every) == (0.2, 3)


@pytest.mark.parametrize("order", [1, -1])
def test_another_name_takes_its_own_values_along(order: int) -> None:
    changes = ["metric_loss.name=fidi", "metric_loss.beta=0.7"][::order]
    chosen = method_settings("baseline", changes=changes)
    assert dump_settings(chosen)["metric_loss"] == {
        "name": "fidi",
        "alpha": 1.05,
        "beta": 0.7,
        "reduction": "mean",
    }
    same = method_settings("baseline", changes=["metric_loss.name=triplet"])
    assert dump_settings(same)["metric_loss"] == {"name": "triplet", "margin": 0.3}


def test_margin_null_is_the_soft_margin() -> None:
    chosen = method_settings("baseline", changes=["metric_loss.margin=null"])
    assert dump_settings(chosen)["metric_loss"] == {"name": "triplet", "margin": None}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("epoch=3", "unknown key 'epoch'; allowed are: .*epochs, .*architecture"),
        ("augmentation.eraze=1", "unknown key 'eraze' in augmentation; allowed .*blur, erase"),
        ("metric_loss.alpha=2", "unknown key 'alpha' in metric_loss.triplet; .*: name, margin"),
        ("metric_loss.name=quadruplet", "metric_loss: .*'triplet', 'fidi'"),
        ("validation.often=2", "unknown key 'often' in validation; allowed are: share, every"),
        ("epochs", "write key=value"),
        ("=3", "write key=value"),
        ("epochs=0", "epochs: .* greater than or equal to 1"),
        ("epochs=many", "epochs: .* valid integer"),
        ("epochs.many=3", "epochs is one value and holds no keys"),
        ("learning_rate=.nan", "learning_rate: .* finite"),
        ("precision=fp8", "precision: "),
        ("ema=1", "ema: .* less than 1"),
        ("validation={share: 0.9, every: 1}", "validation.share: .* less than or equal to 0.5"),
        ("metric_loss=[", "cannot be read"),
    ],
)
def test_mistakes(change: str, text: str) -> None:
    with pytest.raises(TrainError, match=text):
        method_settings("baseline", changes=[change])


def test_lambda_is_of_scr_alone() -> None:
    assert dump_settings(method_settings("scr", changes=["lambda=3"]))["lambda"] == 3
    with pytest.raises(TrainError, match="unknown key 'lambda'"):
        method_settings("baseline", changes=["lambda=3"])
    with pytest.raises(TrainError, match=r"unknown key 'lambda_'; allowed are: .*lambda"):
        method_settings("scr", changes=["lambda_=3"])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("huge", "baseline has no preset 'huge'; it has: default, paper"),
        ("../scr", "no preset"),
        ("none.yaml", "none.yaml: the settings cannot be read"),
    ],
)
def test_sources_that_are_not_there(source: str, text: str) -> None:
    with pytest.raises(TrainError, match=text):
        method_settings("baseline", source)


@pytest.mark.parametrize(
    ("content", "text"),
    [("a: [", "not YAML"), ("- 1", "must be lines of key: value"), ("epochs: 1", "required")],
)
def test_files_that_are_no_settings(content: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(TrainError, match=text):
        method_settings("baseline", str(file))


def test_unknown_methods() -> None:
    with pytest.raises(TrainError, match="unknown method 'b'; known are: baseline, scr"):
        method_settings("b")
