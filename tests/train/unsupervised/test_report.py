"""The page of a run without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import Description, Encoder, InputSpec, build, load_encoder, save_encoder
from tests.train.unsupervised.test_clustering import settings
from train.data import load_folder
from train.unsupervised.report import charts, tsne, write_report

FIGURES = {"clusters": 9.0, "clustered": 0.8, "loss": 3.0}
KNOWN = {"purity": 0.9, "nmi": 0.7, "pair_precision": 0.6, "pair_recall": 0.5}
BRANCHES = {"to_teacher": 0.4, "between_branches": 1.1}


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    torch.manual_seed(0)
    spec, file = InputSpec(height=64, width=32), tmp_path / "e.safetensors"
    description = Description(
        input=spec, dimension=16, architecture="stripenet", arguments={"dimension": 16}
    )
    save_encoder(file, build("stripenet", dimension=16).eval(), description)
    return load_encoder(file, "cpu")


def test_curves_of_what_the_epochs_have() -> None:
    bare = [{"losses": FIGURES}, {"losses": FIGURES | {"clusters": 6.0}}]
    found = charts(bare, people=0)
    assert [[line.label for line in chart.lines] for chart in found] == [
        ["clusters"],
        ["clustered"],
    ]
    # 9 clusters are the top of the first axis, 6 a third below it, at either end of the epochs
    first, last = (tuple(map(float, p.split(","))) for p in found[0].lines[0].points.split())
    assert first == (found[0].left, found[0].top)
    assert last[0] == found[0].right
    height = found[0].bottom - found[0].top
    assert last[1] - found[0].top == pytest.approx(height / 3, abs=0.1)
    whole = charts([{"losses": FIGURES | KNOWN | BRANCHES}] * 3, people=8)
    assert [[line.label for line in chart.lines] for chart in whole] == [
        ["clusters", "people"],
        ["clustered"],
        ["purity", "nmi"],
        ["pair_precision", "pair_recall"],
        ["to_teacher", "between_branches"],
    ]


def test_a_map_keeps_neighbours_together() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(10 * np.eye(4, 8), 12, axis=0)
    places = tsne((centres + 0.1 * rng.standard_normal(centres.shape)).astype(np.float32))
    assert places.shape == (48, 2)
    assert (places > 0).all()
    nearest = np.linalg.norm(places[:, None] - places[None], axis=2).argsort(axis=1)[:, 1]
    assert (nearest // 12 == np.arange(48) // 12).mean() > 0.9


@pytest.mark.parametrize("known", [True, False])
def test_the_page(market: Path, tmp_path: Path, encoder: Encoder, known: bool) -> None:
    samples = load_folder(market, "m").train
    if not known:
        samples = [sample._replace(identity=0) for sample in samples]
    record = {"data": "m", "method": "ice", "epochs": [{"losses": FIGURES | KNOWN}] * 2}
    file = tmp_path / "report.html"
    write_report(file, record, encoder, samples, settings(min_samples=3, eps=0.6))
    text = file.read_text()
    assert "<title>Clusters of m</title>" in text
    assert text.count("<circle ") == 48 * (1 + known)
    assert "cluster 1: " in text or "cluster 2: " in text
    assert ("of 8 people" in text or "Nobody knows" not in text) == known
    assert ('class="map"' in text) == (not known)
    assert ('class="right"' in text) == known
    assert "http" not in text.replace("http-equiv", "")
