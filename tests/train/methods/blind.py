"""What the tests of the methods without labels share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tests.train.methods.small import SMALL
from train.data import DataSet
from train.methods.unsupervised import UnsupervisedSettings
from train.run import method_settings

# Six images of each person: neighbourhoods as large.
CLUSTERING = ["clustering.k1=8", "clustering.k2=3", "clustering.min_samples=3"]


def blind(method: str, *changes: str) -> UnsupervisedSettings:
    chosen = method_settings(method, changes=[*SMALL, *CLUSTERING, "epochs=2", *changes])
    assert isinstance(chosen, UnsupervisedSettings)
    return chosen


def shuffled(data: DataSet) -> DataSet:
    """The same images, each under the identity of another."""
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(5)).tolist()
    people = [data.train[place].identity for place in order]
    train = [s._replace(identity=who) for s, who in zip(data.train, people, strict=True)]
    return replace(data, train=train)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """All that the run has learnt, teacher included."""
    models = torch.load(run / "checkpoint.pt", weights_only=True)["state"]["models"]
    return {f"{part}.{name}": value for part in models for name, value in models[part].items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
