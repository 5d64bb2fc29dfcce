"""SCR's loss against a loop in float64, and the method trained for real on a few images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import load_encoder
from tests.train.methods.small import small
from train.data import load_folder
from train.errors import TrainError
from train.loop import Batch
from train.methods.scr import ScrMethod
from train.run import method_settings, train_encoder


def triplet(vectors: np.ndarray, labels: list[int], margin: float) -> float:
    losses = []
    for i, anchor in enumerate(vectors):
        distances = [float(np.linalg.norm(anchor - vector)) for vector in vectors]
        own = [d for d, label in zip(distances, labels, strict=True) if label == labels[i]]
        far = [d for d, label in zip(distances, labels, strict=True) if label != labels[i]]
        losses.append(max(0.0, max(own) - min(far) + margin))
    return float(np.mean(losses))


def test_the_loss_is_equation_3_3(market: Path) -> None:
    torch.manual_seed(0)
    data = load_folder(market, "m")
    changes = ["label_smoothing=0", "arguments.branches=[[1,1],[2,2],[3,3]]", "lambda=2.5"]
    method = ScrMethod(small("scr", *changes), data.train, 0, "")
    model = method.models["model"]
    assert len(model.classifiers) == 13
    images, labels = torch.randn(6, 3, 64, 32), torch.tensor([0, 0, 1, 1, 2, 2])
    losses = method.step(Batch(images, labels, labels))
    with torch.no_grad():
        features = method.network.features(images)
        vectors = method.network.neck(features).view(6, 13, 16).double().numpy()
        features = features.view(6, 13, 16).double().numpy()
    entropies = []
    for part in range(13):
        weight = model.classifiers[part].weight.detach().double().numpy()
        for vector, label in zip(vectors[:, part], labels, strict=True):
            logits = weight @ vector
            entropies.append(np.log(np.exp(logits).sum()) - logits[label])
    identity = float(np.mean(entropies))
    metric = float(np.mean([triplet(features[:, i], labels.tolist(), 1.2) for i in range(3)]))
    assert losses["identity"].item() == pytest.approx(identity, rel=1e-4)
    assert losses["metric"].item() == pytest.approx(metric, rel=1e-4)
    assert losses["loss"].item() == pytest.approx(2.5 * identity + metric, rel=1e-4)


def test_learns(market: Path, tmp_path: Path) -> None:
    chosen = small("scr", "epochs=6", "gradient_checkpointing=true")
    result = train_encoder("scr", load_folder(market, "m"), tmp_path / "run", chosen)
    losses = [epoch["losses"] for epoch in result["epochs"]]
    assert losses[-1]["identity"] < losses[0]["identity"]
    assert losses[-1]["loss"] == pytest.approx(
        2 * losses[-1]["identity"] + losses[-1]["metric"], rel=1e-4
    )
    encoder = load_encoder(tmp_path / "run" / "encoder.safetensors")
    assert encoder.dimension == 5 * 16
    assert result["metrics"]["map"] > 0.4


def test_the_published_recipe() -> None:
    """The figures of section 3.4.1."""
    s = method_settings("scr", "paper")
    assert (s.height, s.width) == (384, 192)
    assert (s.identities_per_batch, s.images_per_identity) == (8, 4)
    assert (s.optimizer, s.learning_rate, s.weight_decay) == ("amsgrad", 2e-4, 5e-4)
    assert (s.epochs, s.schedule, s.milestones, s.decay) == (500, "step", [300, 400], 0.1)
    assert s.metric_loss is not None
    assert s.metric_loss.model_dump() == {"name": "triplet", "margin": 1.2}
    assert s.model_dump(by_alias=True)["lambda"] == 2
    changed = {k for k, v in s.augmentation.model_dump().items() if v and k != "erase_area"}
    assert changed == {"mirror"}


def test_other_architectures_are_refused(market: Path, tmp_path: Path) -> None:
    chosen = method_settings("scr", changes=["architecture=stripenet", "arguments={}"])
    with pytest.raises(TrainError, match="trains the architecture scr"):
        train_encoder("scr", load_folder(market, "m"), tmp_path / "run", chosen)
