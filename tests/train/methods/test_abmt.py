"""ABMT: its losses by hand, its blindness, and whole runs on a few images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_models import load_encoder
from tests.train.conftest import write_person
from tests.train.loop.toy import stop_after
from tests.train.methods.blind import blind, same, shuffled, weights
from train.data import Draw, load_folder
from train.errors import TrainError
from train.loop import Batch
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop
from train.losses import FIDILoss, SoftCrossEntropy, SoftTripletLoss, TripletLoss
from train.methods.abmt import AbmtMethod, AbmtSettings
from train.methods.abmt_source import SourceMethod
from train.run import method_settings, train_encoder
from train.unsupervised.clustering import cluster_means

SIZES = ["arguments.dimension=16", "arguments.stripes=2", "clustering.eps=0.6", "warmup_epochs=0"]
SIZES += ["pretraining.epochs=2"]
BRANCHES = [0, 1]


def settings(*changes: str) -> AbmtSettings:
    chosen = blind("abmt", *SIZES, *changes)
    assert isinstance(chosen, AbmtSettings)
    return chosen


def begun(market: Path, out: Path, *changes: str) -> AbmtMethod:
    """A method whose first epoch has begun."""
    torch.manual_seed(1)
    chosen = settings(*changes)
    method = AbmtMethod(chosen, load_folder(market, "m").train, 0, "")
    loop = Loop(method, chosen, 0, out, {}, make_accelerator("fp32"))
    loop.epoch = 1
    method.before_epoch(loop)
    method.teacher.train()
    return method


def test_classifiers_begin_as_centroids(market: Path, tmp_path: Path) -> None:
    """Of each branch its own, of length 1, in student and teacher."""
    method = begun(market, tmp_path)
    method.teacher.eval()
    assert method._whole is not None
    labels = method._labels.numpy()
    means = torch.from_numpy(cluster_means(method._whole.embed(method.network, 1), labels))
    classes = int(labels.max()) + 1
    for part in BRANCHES:
        own = F.normalize(means[:, 16 * part : 16 * part + 16], dim=1)
        for model in (method.model, method.teacher.model):
            torch.testing.assert_close(model.classifiers[part, :classes].detach(), own)
            assert not model.classifiers[part, classes:].any()


@pytest.mark.parametrize("cross", [True, False])
def test_loss_is_equation_4_8(market: Path, tmp_path: Path, cross: bool) -> None:
    changes = ["lambda_identity=0.4", "lambda_soft=0.3", "lambda_metric=2"]
    method = begun(market, tmp_path, *changes, f"cross_branch={str(cross).lower()}")
    images, labels = torch.rand(6, 3, 64, 32), torch.tensor([0, 0, 1, 1, 2, 2])
    found = {n: v.item() for n, v in method.losses(images, labels, labels).items()}
    features, logits = method.model(images, method._classes)
    taught, wanted = method.teacher(images, method._classes)
    identity = soft = metric = 0.0
    for own in BRANCHES:
        by = 1 - own if cross else own
        identity += F.cross_entropy(logits[:, own], labels).item()
        soft += SoftCrossEntropy()(logits[:, own], wanted[:, by]).item()
        metric += SoftTripletLoss()(features[:, own], taught[:, by], labels).item()
    assert found["identity"] == pytest.approx(identity, rel=1e-4)
    assert found["soft"] == pytest.approx(soft, rel=1e-4)
    assert found["metric"] == pytest.approx(metric, rel=1e-4)
    assert found["loss"] == pytest.approx(0.4 * identity + 0.3 * soft + 2 * metric, rel=1e-4)
    unit, other = (F.normalize(rows.detach(), dim=2) for rows in (features, taught))
    away = (unit - other).norm(dim=2).mean().item()
    apart = (other[:, 0] - other[:, 1]).norm(dim=1).mean().item()
    assert found["to_teacher"] == pytest.approx(away, rel=1e-3)
    assert found["between_branches"] == pytest.approx(apart, rel=1e-3)


def test_fidi_in_place_of_the_soft_triplets(market: Path, tmp_path: Path) -> None:
    method = begun(market, tmp_path, "metric_loss.name=fidi")
    images, labels = torch.rand(4, 3, 64, 32), torch.tensor([0, 0, 1, 1])
    found = method.losses(images, labels, labels)["metric"].item()
    features, _ = method.model(images, method._classes)
    wanted = sum(FIDILoss()(features[:, part], labels).item() for part in BRANCHES)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_other_views_and_dropout(market: Path, tmp_path: Path) -> None:
    """Table 4.3: the teacher sees another view; classifiers miss a share of each vector."""
    method = begun(market, tmp_path, "other_views=true")
    image, _ = method.source(1).images[Draw(7, 3)]
    first, second = image.chunk(2)
    assert not torch.equal(first, second)
    images, labels = torch.rand(4, 6, 64, 32), torch.tensor([0, 0, 1, 1])
    found = method.losses(images, labels, labels)["to_teacher"].item()
    features, _ = method.model(images[:, :3], method._classes)
    taught, _ = method.teacher(images[:, 3:], method._classes)
    unit, other = (F.normalize(rows.detach(), dim=2) for rows in (features, taught))
    assert found == pytest.approx((unit - other).norm(dim=2).mean().item(), rel=1e-3)
    dropping = begun(market, tmp_path / "dropping", "dropout=0.5").model
    features, logits = dropping(images[:, :3], 2)
    again, others = dropping(images[:, :3], 2)
    torch.testing.assert_close(features, again)
    assert not torch.allclose(logits, others)
    dropping.eval()
    torch.testing.assert_close(dropping(images[:, :3], 2)[1], dropping(images[:, :3], 2)[1])


def test_clusters_by_k_means(market: Path, tmp_path: Path) -> None:
    changes = ["clustering.eps=null", "clustering.kmeans=4", "clustering.min_samples=2"]
    method = begun(market, tmp_path, *changes)
    assert method._classes == 4
    assert (method._labels >= 0).all()


def test_the_source_learns_by_equation_4_1(market: Path) -> None:
    chosen = settings("pretraining.lambda_identity=0.7", "pretraining.label_smoothing=0.0")
    torch.manual_seed(0)
    method = SourceMethod(chosen.first_step(), load_folder(market, "m").train, 0, "")
    method.models["model"].eval()
    batch = Batch(torch.rand(4, 3, 64, 32), torch.tensor([0, 0, 5, 5]), torch.arange(4))
    found = method.step(batch)["loss"].item()
    features, logits = method.models["model"](batch.images)
    wanted = 0.0
    for part, vectors in enumerate(features.chunk(2, dim=1)):
        wanted += 0.7 * F.cross_entropy(logits[:, part], batch.labels).item()
        wanted += 0.5 * TripletLoss(0.3)(vectors, batch.labels).item()
    assert found == pytest.approx(wanted, rel=1e-4)


def test_a_run_without_any_label(market: Path, tmp_path: Path) -> None:
    """Shuffled labels of the target give the same weights, from the teacher's both branches."""
    data, chosen = load_folder(market, "m"), settings("pictures=0")
    result = train_encoder("abmt", data, tmp_path / "true", chosen, seed=2)
    train_encoder("abmt", shuffled(data), tmp_path / "shuffled", chosen, seed=2)
    assert same(weights(tmp_path / "true"), weights(tmp_path / "shuffled"))
    encoder = load_encoder(tmp_path / "true" / "encoder.safetensors", "cpu")
    assert encoder.dimension == 32
    names = {"loss", "identity", "soft", "metric", "to_teacher", "between_branches"}
    assert names < set(result["epochs"][-1]["losses"])


def source_of(folder: Path) -> Path:
    """Other people than those of ``market``, 6 of them."""
    rng = np.random.default_rng(9)
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        (folder / part).mkdir(parents=True)
    for identity in range(101, 107):
        for camera in (1, 2):
            for number in range(2):
                name = f"{identity:04}_c{camera}s1_{number:06}_01.jpg"
                write_person(folder / "bounding_box_train" / name, identity, camera, rng)
    for part in ("query", "bounding_box_test"):
        write_person(folder / part / "0200_c1s1_000000_01.jpg", 200, 1, rng)
        write_person(folder / part / "0200_c2s1_000000_01.jpg", 200, 2, rng)
    return folder


def test_adaptation_from_a_source(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped within the adaptation, it goes on bit for bit; the target's labels change nothing."""
    source = source_of(tmp_path / "source")
    data = load_folder(market, "m")
    chosen = settings(f"source={source}", "pictures=0")
    unbroken = train_encoder("abmt", data, tmp_path / "whole", chosen, seed=3)
    said = capsys.readouterr().err
    assert "step 1 of 2: 24 labelled images of source" in said
    assert "source: epoch 2/2" in said
    first = load_encoder(tmp_path / "whole" / "steps" / "source" / "encoder.safetensors", "cpu")
    assert first.description.trained_on == "source, 6 identities, seed 3"
    with pytest.raises(KeyboardInterrupt):
        train_encoder("abmt", data, tmp_path / "part", chosen, seed=3, report=stop_after(1))
    resumed = train_encoder("abmt", data, tmp_path / "part", chosen, seed=3, resume=True)
    assert [e["losses"] for e in resumed["epochs"]] == [e["losses"] for e in unbroken["epochs"]]
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "part"))
    train_encoder("abmt", shuffled(data), tmp_path / "shuffled", chosen, seed=3)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "shuffled"))
    more = source / "bounding_box_train" / "0101_c1s1_000009_01.jpg"
    write_person(more, 101, 1, np.random.default_rng(1))
    with pytest.raises(TrainError, match="made with other settings"):
        train_encoder("abmt", data, tmp_path / "part", chosen, seed=3, resume=True)


def test_a_source_that_another_run_has_learnt_from(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not learnt from again; the encoder's file holds its weights in half precision."""
    source, data = source_of(tmp_path / "source"), load_folder(market, "m")
    changes = (f"source={source}", "pictures=0", "epochs=1")
    first = train_encoder("abmt", data, tmp_path / "first", settings(*changes), seed=3)
    assert "source: epoch 2/2" in capsys.readouterr().err
    taken = settings(*changes, f"source_from={tmp_path / 'first'}")
    second = train_encoder("abmt", data, tmp_path / "second", taken, seed=3)
    assert "source: epoch" not in capsys.readouterr().err
    own, others = (run["epochs"][0]["losses"] for run in (first, second))
    assert own["clusters"] == others["clusters"]
    assert own["loss"] == pytest.approx(others["loss"], rel=0.02)
    larger = settings(*changes, f"source_from={tmp_path / 'first'}", "arguments.dimension=32")
    with pytest.raises(TrainError, match="source_from: that run trained a network of other"):
        train_encoder("abmt", data, tmp_path / "third", larger, seed=3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("pretraining.epoch=3", "epoch"),
        ("source_from=run", "source_from: name the source"),
        ("source=nowhere", "nowhere: no such folder"),
        ("architecture=stripenet", "abmt trains the architecture asymmetric"),
    ],
)
def test_settings_that_do_not_fit(market: Path, tmp_path: Path, change: str, says: str) -> None:
    more = ["arguments={dimension: 32}"] if change.startswith("architecture") else []
    data, out = load_folder(market, "m"), tmp_path / "run"
    with pytest.raises(TrainError, match=says):
        train_encoder("abmt", data, out, settings(change, *more))


def test_the_published_settings() -> None:
    s = method_settings("abmt", "paper")
    assert isinstance(s, AbmtSettings)
    assert (s.lambda_identity, s.lambda_soft, s.lambda_metric) == (0.5, 0.5, 1.0)
    clustering = json.loads(s.clustering.model_dump_json())
    assert (clustering["eps"], clustering["rho"], clustering["min_samples"]) == (None, 0.002, 4)
    assert (s.identities_per_batch, s.images_per_identity, s.steps, s.epochs) == (16, 4, 400, 40)
    assert (s.learning_rate, s.schedule, s.momentum) == (0.00035, "constant", 0.999)
    first = s.first_step()
    assert (first.lambda_identity, first.lambda_metric, first.epochs) == (0.5, 0.5, 80)
    assert (first.learning_rate, first.milestones, first.decay) == (0.00035, [40, 70], 0.1)
