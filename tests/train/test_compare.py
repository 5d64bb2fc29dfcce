"""Which of two encoders is better, and when nobody can say."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.train.test_export import encoder_file
from train.compare import bootstrap, compare, interval
from train.data import DataSet, Sample
from train.errors import TrainError


def people(folder: Path, identities: int, noise: float) -> DataSet:
    """Two pictures of each in each of two cameras: a colour of their own, with noise."""
    rng = np.random.default_rng(3)
    parts: dict[str, list[Sample]] = {"query": [], "gallery": []}
    for identity in range(1, identities + 1):
        colour = rng.uniform(0, 255, (8, 1, 3)).repeat(8, axis=0)
        for camera, part in ((1, "query"), (2, "gallery")):
            picture = np.clip(colour + rng.normal(0, noise, (64, 32, 3)), 0, 255).astype(np.uint8)
            path = folder / f"{part}-{identity}.png"
            cv2.imwrite(str(path), picture)
            parts[part].append(Sample(path, identity, camera))
    return DataSet("made up", [], parts["query"], parts["gallery"], [])


def test_the_same_encoder_is_neither_better_nor_worse(tmp_path: Path) -> None:
    data = people(tmp_path, 12, 20)
    one = encoder_file(tmp_path / "a.safetensors")
    result = compare(one, one, data, "cpu")
    assert (result.gain.value, result.gain.low, result.gain.high) == (0, 0, 0)
    assert not result.better
    assert not result.worse
    facts = json.loads(result.as_json())
    assert facts["old"]["fingerprint"] == facts["new"]["fingerprint"]
    assert facts["identities"] == 12
    assert -1 < facts["new"]["thresholds"]["new"] < 1


def test_a_blind_encoder_is_worse(tmp_path: Path) -> None:
    """One whose embeddings are all alike finds nobody."""
    import torch

    from reid_models.weights import read_encoder, save_encoder

    data = people(tmp_path, 20, 10)
    sighted = encoder_file(tmp_path / "a.safetensors")
    network, description = read_encoder(sighted)
    with torch.no_grad():
        network.get_parameter("project.weight").zero_()
    blind = tmp_path / "b.safetensors"
    save_encoder(blind, network, description)
    assert compare(sighted, blind, data, "cpu").worse
    assert compare(blind, sighted, data, "cpu").better


def test_the_bootstrap_draws_whole_identities() -> None:
    weights = bootstrap(np.array([4, 4, 7, 9]), seed=1)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert weights.mean() == pytest.approx(1, abs=0.05)


def test_the_interval_is_that_of_the_normal_law() -> None:
    """Of a mean of 400 independent values of deviation 1: 1.96 / 20 to either side."""
    values = np.random.default_rng(0).normal(0.0, 1.0, 400)
    found = interval(values, bootstrap(np.arange(400), seed=2))
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert found.low < found.value < found.high


def test_one_person_is_not_enough(tmp_path: Path) -> None:
    one = encoder_file(tmp_path / "a.safetensors")
    with pytest.raises(TrainError, match="two or more"):
        compare(one, one, people(tmp_path, 1, 10), "cpu")
