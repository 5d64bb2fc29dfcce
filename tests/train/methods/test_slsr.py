"""SLSR: its labels and losses by hand, and all three steps for real on a few images."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reid_models import build, load_encoder
from reid_models.generators.dcgan import DCGANGenerator
from tests.train.methods.small import SMALL
from train.data import Draw, Sample, load_folder
from train.errors import TrainError
from train.loop import Batch
from train.methods.slsr import (
    Generated,
    NoisyIdentityModel,
    SlsrMethod,
    SlsrSettings,
    target_rows,
)
from train.methods.slsr_steps import in_proportion
from train.run import method_settings, train_encoder

COMMAND = Path(sys.executable).parent / "camtrail-train"
SIZES = [
    *SMALL,
    "arguments.dimension=32",
    "epochs=2",
    "features.epochs=2",
    "clusters=2",
    "generated=24",
    "dcgan.size=16",
    "dcgan.width=2",
    "dcgan.batch=4",
    "dcgan.epochs=2",
]


def settings(*changes: str) -> SlsrSettings:
    chosen = method_settings("slsr", changes=[*SIZES, *changes])
    assert isinstance(chosen, SlsrSettings)
    return chosen


def test_the_labels_are_those_of_equation_10_and_of_lsro() -> None:
    people, clusters = [3, 5, 8, 9], [{3, 9}, {5, 8, 9}]
    sparse = target_rows(people, clusters, "sparse", 0.2)
    real = [[0.85 if i == j else 0.05 for j in range(4)] for i in range(4)]
    third = 1 / 3
    wanted = [*real, [0.5, 0, 0, 0.5], [0, third, third, third]]
    np.testing.assert_allclose(sparse, wanted, atol=1e-7)
    uniform = target_rows(people, clusters, "uniform", 0.0)
    np.testing.assert_allclose(uniform, [*np.eye(4), [0.25] * 4, [0.25] * 4], atol=1e-7)
    assert target_rows(people, [], "sparse", 0.0).equal(torch.eye(4))


def generated_of(market: Path) -> tuple[list[Sample], Generated]:
    """Real images of 8 people, and some of their images as if they had been generated."""
    samples = load_folder(market, "m").train
    made = [s._replace(identity=1 + (n >= 10)) for n, s in enumerate(samples[:24])]
    return samples, Generated(made, [{1, 2, 3}, {4, 5, 6, 7, 8}])


def test_loss_is_equation_13(market: Path) -> None:
    samples, generated = generated_of(market)
    torch.manual_seed(1)
    method = SlsrMethod(settings(), samples, 0, "", generated)
    labels = [0, 4, 7, 8, 9, 9]  # three people, an image of the first cluster, two of the second
    batch = Batch(torch.rand(6, 3, 64, 32), torch.tensor(labels), torch.arange(6))
    method.models["model"].eval()
    found = {name: value.item() for name, value in method.step(batch).items()}
    logits = method.models["model"](batch.images)[1][:, 0].tolist()
    logs = [[v - math.log(sum(map(math.exp, row))) for v in row] for row in logits]
    members = {8: [0, 1, 2], 9: [3, 4, 5, 6, 7]}
    losses = [
        -sum(row[k] for k in members.get(label, [label])) / len(members.get(label, [label]))
        for row, label in zip(logs, labels, strict=True)
    ]
    assert found["loss"] == pytest.approx(sum(losses) / 6, abs=1e-5)
    assert found["identity"] == pytest.approx(sum(losses[:3]) / 3, abs=1e-5)
    assert found["generated"] == pytest.approx(sum(losses[3:]) / 3, abs=1e-5)


def test_a_metric_loss_is_of_the_real_images_alone(market: Path) -> None:
    samples, generated = generated_of(market)
    method = SlsrMethod(settings("metric_loss.name=triplet"), samples, 0, "", generated)
    labels = torch.tensor([0, 0, 1, 1, 8, 9])
    batch = Batch(torch.rand(6, 3, 64, 32), labels, torch.arange(6))
    method.models["model"].eval()
    found = method.step(batch)
    assert method.metric_loss is not None
    features = method.network.features(batch.images[:4])
    wanted = method.metric_loss(features, labels[:4])
    assert found["metric"].item() == pytest.approx(wanted.item(), abs=1e-5)


def test_an_epoch_has_about_all_images_of_both_kinds(market: Path) -> None:
    samples, generated = generated_of(market)
    method = SlsrMethod(settings(), samples, 0, "", generated)
    source = method.source(1)
    batches = [list(batch) for batch in source.draws]
    assert len(batches) == len(source.draws) == 4  # of 4 x 3 real images and 6 generated ones
    for batch in batches:
        real = [draw.image for draw in batch if draw.image < 48]
        assert (len(real), len(batch)) == (12, 18)
        labels = Counter(source.images[draw][1] for draw in batch[:12])
        assert sorted(labels.values()) == [3, 3, 3, 3]
    seen = Counter(draw.image for batch in batches for draw in batch if draw.image >= 48)
    assert seen == dict.fromkeys(range(48, 72), 1)
    assert [list(batch) for batch in method.source(1).draws] == batches
    assert [list(batch) for batch in method.source(2).draws] != batches
    assert source.images[Draw(48, 0)][1] == 8
    assert source.images[Draw(71, 0)][1] == 9
    assert source.samples[71] == generated.samples[23]


@pytest.mark.parametrize(
    ("kind", "weights"), [("feature", 32 * 33), ("logits", 8 * 9), ("none", 0)]
)
def test_the_noise_layer_begins_as_if_it_were_not_there(kind: Any, weights: int) -> None:
    network = build("stripenet", dimension=32)
    torch.manual_seed(0)
    model = NoisyIdentityModel(network, 8, kind).eval()
    plain = sum(p.numel() for p in network.parameters()) + 32 * 8
    assert sum(p.numel() for p in model.parameters()) == plain + weights
    images = torch.rand(2, 3, 64, 32)
    features, logits = model(images)
    torch.testing.assert_close(features, network.features(images))
    expected = network(images) @ model.classifiers[0].weight.T
    torch.testing.assert_close(logits, expected[:, None])


def test_images_are_shared_out_in_proportion() -> None:
    assert in_proportion(10, [1, 1]) == [5, 5]
    assert in_proportion(12_003, [6_000, 2_000, 4_000]) == [6_001, 2_001, 4_001]
    assert in_proportion(3, [1_000, 1, 1]) == [1, 1, 1]
    assert sum(in_proportion(1_000, [333, 334, 77])) == 1_000


def test_all_three_steps(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = load_folder(market, "m"), tmp_path / "run"
    result = train_encoder("slsr", data, out, settings(), seed=1)
    said = capsys.readouterr().err
    for part in ("step 1 of 3", "mean silhouette: ", "step 2 of 3", "cluster 2", "24 generated"):
        assert part in said
    found = json.loads((out / "steps" / "clusters.json").read_text())
    assert list(found["silhouettes"]) == ["2", "3", "4", "5"]
    assert len(found["clusters"]) == len(data.train)
    images = sorted((out / "steps" / "generated").glob("*/*.png"))
    sizes = np.bincount(found["clusters"]).tolist()
    counted = Counter(image.parent.name for image in images)
    assert [counted[f"cluster-{n}"] for n in (1, 2)] == in_proportion(24, sizes)
    quality = json.loads((out / "steps" / "quality.json").read_text())
    assert [(q["real"], q["generated"]) for q in quality] == [
        (size, counted[f"cluster-{q['cluster']}"]) for size, q in zip(sizes, quality, strict=True)
    ]
    assert all(q["frechet_distance"] > 0 for q in quality)
    assert (out / "steps" / "dcgan-2" / "pictures" / "epoch_0002_samples.png").is_file()
    page = (out / "report.html").read_text()
    assert [f"dcgan-{n}, samples, epoch 2" in page for n in (1, 2, 3)] == [True, True, False]
    assert f"{found['silhouettes']['2']:.4f} for 2" in page
    assert f"<td>{quality[1]['frechet_distance']}</td>" in page
    assert result["epochs"][-1]["losses"].keys() == {"loss", "identity", "generated", "accuracy"}
    encoder = load_encoder(out / "encoder.safetensors", "cpu")
    assert encoder.dimension == 32
    assert "8 identities, method slsr, seed 1" in encoder.description.trained_on


def test_without_generated_images_it_learns_from_the_real_ones(
    market: Path, tmp_path: Path
) -> None:
    data, out = load_folder(market, "m"), tmp_path / "run"
    chosen = settings("generated=0", "label_smoothing=0.1", "epochs=1")
    result = train_encoder("slsr", data, out, chosen)
    assert result["epochs"][0]["losses"].keys() == {"loss", "identity", "accuracy"}
    assert not (out / "steps").exists()


def test_one_cluster_is_lsro(market: Path, tmp_path: Path) -> None:
    """Its sparse labels are uniform, and there is one DCGAN."""
    data, out = load_folder(market, "m"), tmp_path / "run"
    chosen = settings("clusters=1", "features.epochs=1", "dcgan.epochs=1", "epochs=1")
    result = train_encoder("slsr", data, out, chosen)
    assert result["epochs"][0]["losses"]["generated"] > 0
    found = json.loads((out / "steps" / "clusters.json").read_text())
    assert list(found["silhouettes"]) == ["2", "3", "4", "5"]
    assert set(found["clusters"]) == {0}
    assert len(list((out / "steps" / "generated" / "cluster-1").iterdir())) == 24


def test_images_of_another_run_are_taken_as_they_are(market: Path, tmp_path: Path) -> None:
    data, first = load_folder(market, "m"), tmp_path / "first"
    short = ("features.epochs=1", "dcgan.epochs=1", "epochs=1", f"images_from={first}")
    train_encoder("slsr", data, first, settings(*short[:3]))
    again = train_encoder("slsr", data, tmp_path / "again", settings(*short))
    assert not (tmp_path / "again" / "steps").exists()
    own = json.loads((first / "run.json").read_text())
    assert again["epochs"][0]["losses"] == own["epochs"][0]["losses"]
    uniform = settings(*short, "generated_labels=uniform")
    other = train_encoder("slsr", data, tmp_path / "uniform", uniform)
    assert other["epochs"][0]["losses"] != own["epochs"][0]["losses"]
    wrong = [
        (settings(*short, "clusters=3"), data, "24 images in 2 clusters"),
        (settings(*short, "generated=30"), data, "24 images in 2 clusters"),
        (settings(f"images_from={tmp_path}"), data, "0 images in 0 clusters"),
        (settings(*short), replace(data, train=data.train[1:]), "made of other data"),
    ]
    for number, (chosen, given, says) in enumerate(wrong):
        with pytest.raises(TrainError, match=says):
            train_encoder("slsr", given, tmp_path / str(number), chosen)


@pytest.mark.slow
def test_goes_on_bit_for_bit_after_kill_9(market: Path, tmp_path: Path) -> None:
    """Killed within the second step."""
    whole, part = tmp_path / "whole", tmp_path / "part"
    data = load_folder(market, "m")
    unbroken = train_encoder("slsr", data, whole, settings(), seed=3)
    changes = [part for change in SIZES for part in ("--set", change)]
    command = [COMMAND, "slsr", "--data", market, "--out", part, "--seed", "3", *changes]
    killed = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.startswith("dcgan-1: epoch 1/2"):
            killed.kill()
    killed.wait()
    killed.stderr.close()
    assert (part / "steps" / "dcgan-1" / "checkpoint.pt").is_file()
    assert not (part / "steps" / "generated" / "cluster-2").exists()
    with pytest.raises(TrainError, match=r"other settings \(dcgan\.width: 2 there, 4 here\)"):
        train_encoder("slsr", data, part, settings("dcgan.width=4"), seed=3, resume=True)
    resumed = train_encoder("slsr", data, part, settings(), seed=3, resume=True)
    assert [e["losses"] for e in resumed["epochs"]] == [e["losses"] for e in unbroken["epochs"]]
    assert resumed["metrics"] == unbroken["metrics"]
    a, b = (load_encoder(folder / "encoder.safetensors", "cpu") for folder in (whole, part))
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("dcgan.batch=40", r"cluster \d of 2 holds \d+ images, fewer than a batch"),
        ("clusters=49", "48 images cannot be parted into 49 clusters"),
    ],
)
def test_too_few_images_for_the_clusters(
    market: Path, tmp_path: Path, change: str, says: str
) -> None:
    chosen = settings("generated=60", "features.epochs=1", change)
    with pytest.raises(TrainError, match=says):
        train_encoder("slsr", load_folder(market, "m"), tmp_path / "run", chosen)


def test_a_dcgan_that_diverges_is_named(market: Path, tmp_path: Path) -> None:
    chosen = settings("features.epochs=1", "dcgan.learning_rate=1e30", "dcgan.collapse=null")
    with pytest.raises(TrainError, match=r"cluster-1, settings of dcgan: the loss is no longer a"):
        train_encoder("slsr", load_folder(market, "m"), tmp_path / "run", chosen)


def test_a_dcgan_for_which_the_gpu_is_too_small(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: DCGANGenerator, noise: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 PiB")

    monkeypatch.setattr(DCGANGenerator, "forward", full)
    chosen = settings("features.epochs=1")
    with pytest.raises(TrainError, match=r"settings of dcgan: out of GPU memory.*: lower batch"):
        train_encoder("slsr", load_folder(market, "m"), tmp_path / "run", chosen)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("clusters=0", "clusters: Input should be greater than or equal to 1"),
        ("dcgan.size=40", "dcgan.size: Input should be a multiple of 16"),
        ("generated=1", "at least one image for each cluster"),
        ("validation={share: 0.1, every: 1}", "would have seen the held-out people"),
        ("generated_labels=soft", "generated_labels: Input should be 'sparse' or 'uniform'"),
        ("noise_layer=both", "noise_layer"),
        ("features.clusters=2", "clusters"),
        ("dcgan.steps=2", "unknown key 'steps' in dcgan"),
    ],
)
def test_impossible_settings(change: str, says: str) -> None:
    with pytest.raises(TrainError, match=says):
        settings(change)


def test_the_paper_is_a_preset() -> None:
    chosen = method_settings("slsr", "paper")
    assert isinstance(chosen, SlsrSettings)
    first = chosen.first_step()
    assert (first.epochs, first.learning_rate, first.optimizer) == (40, 0.001, "sgd")
    assert (chosen.dcgan.size, chosen.dcgan.width, chosen.epochs) == (128, 64, 130)
