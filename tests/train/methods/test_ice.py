"""ICE: its proxies and losses by hand, its blindness, and whole runs on a few images."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import load_encoder
from reid_models.weights import read_encoder
from tests.train.loop.toy import stop_after
from tests.train.methods.blind import CLUSTERING, blind, same, shuffled, weights
from tests.train.methods.small import SMALL
from train.data import Draw, load_folder
from train.errors import TrainError
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop
from train.losses import HardInstanceContrast, ProxyContrast, SoftInstanceConsistency
from train.methods.ice import IceMethod, IceSettings, camera_means
from train.run import method_settings, train_encoder
from train.unsupervised.clustering import cluster_means
from train.unsupervised.quality import cluster_quality

COMMAND = Path(sys.executable).parent / "camtrail-train"
SIZES = ["arguments.dimension=32", "clustering.eps=0.6"]


def settings(*changes: str) -> IceSettings:
    chosen = blind("ice", *SIZES, *changes)
    assert isinstance(chosen, IceSettings)
    return chosen


def begun(market: Path, out: Path, *changes: str) -> tuple[IceMethod, Loop]:
    """A method whose first epoch can begin."""
    torch.manual_seed(1)
    chosen = settings(*changes)
    samples = [  # a tracklet is three images of one person in one camera
        sample._replace(tracklet=number // 3, time=float(number))
        for number, sample in enumerate(load_folder(market, "m").train)
    ]
    method = IceMethod(chosen, samples, 0, "")
    loop = Loop(method, chosen, 0, out, {}, make_accelerator("fp32"))
    loop.epoch = 1
    method.before_epoch(loop)
    return method, loop


def test_proxies_are_means() -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((30, 4)), rng.integers(-1, 3, 30)
    cameras = rng.integers(1, 4, 30)
    means = cluster_means(rows, labels)
    for cluster in range(3):
        own = [rows[i] for i in range(30) if labels[i] == cluster]
        np.testing.assert_allclose(means[cluster], sum(own) / len(own))
    found = camera_means(rows, labels, cameras)
    pairs = list(zip(found.labels.tolist(), found.cameras.tolist(), strict=True))
    seen = {(k, c) for k, c in zip(labels.tolist(), cameras.tolist(), strict=True) if k >= 0}
    assert (len(pairs), set(pairs)) == (len(seen), seen)
    for (cluster, camera), row in zip(pairs, found.rows, strict=True):
        own = [rows[i] for i in range(30) if (labels[i], cameras[i]) == (cluster, camera)]
        np.testing.assert_allclose(row, sum(own) / len(own))


def test_loss_is_equation_6_3(market: Path, tmp_path: Path) -> None:
    """With the views of table 6.1: predictions of changed images, targets of plain ones."""
    method, _ = begun(market, tmp_path, "lambda_hard=0.7", "lambda_soft=3", "lambda_camera=0.2")
    method.teacher.train()
    images, labels = torch.rand(6, 9, 64, 32), torch.tensor([0, 0, 1, 1, 2, 2])
    cameras = torch.tensor([1, 2, 1, 2, 1, 2])
    found = {n: v.item() for n, v in method.losses(images, labels, cameras).items()}
    first, second, plain = images.split(3, dim=1)
    online, momentum = method.model(first), method.teacher(second)
    wanted = {
        "proxy": ProxyContrast(0.5)(online, method._proxies, labels),
        "hard": HardInstanceContrast(0.1)(online, momentum, labels),
        "soft": SoftInstanceConsistency(0.4)(online, momentum, method.teacher(plain)),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value.item(), abs=1e-5)
    total = found["proxy"] + 0.2 * found["camera"] + 0.7 * found["hard"] + 3 * found["soft"]
    assert found["loss"] == pytest.approx(total, abs=1e-4)


def test_losses_of_the_comparisons(market: Path, tmp_path: Path) -> None:
    """Tables 6.2 and 6.3: the hardest negative alone, squares, and a target of changed images."""
    changes = ["hardest_negative=true", "squared_soft=true", "plain_target=false"]
    method, _ = begun(market, tmp_path, *changes)
    method.teacher.train()
    images, labels = torch.rand(6, 9, 64, 32), torch.tensor([0, 0, 1, 1, 2, 2])
    found = method.losses(images, labels, torch.tensor([1, 2, 1, 2, 1, 2]))
    first, second, _ = images.split(3, dim=1)
    online, momentum = method.model(first), method.teacher(second)
    hard = HardInstanceContrast(0.1, hardest_only=True)(online, momentum, labels)
    soft = SoftInstanceConsistency(0.4, squares=True)(online, momentum, momentum)
    assert found["hard"].item() == pytest.approx(hard.item(), abs=1e-5)
    assert found["soft"].item() == pytest.approx(soft.item(), abs=1e-5)


def test_identities_in_place_of_clusters(market: Path, tmp_path: Path) -> None:
    method, _ = begun(market, tmp_path, "supervised=true")
    assert method._labels.tolist() == [number // 6 for number in range(48)]
    chosen = settings("supervised=true", "epochs=1", "pictures=0")
    result = train_encoder("ice", load_folder(market, "m"), tmp_path / "run", chosen)
    assert result["epochs"][0]["losses"]["purity"] == 1.0
    encoder = load_encoder(tmp_path / "run" / "encoder.safetensors", "cpu")
    assert encoder.description.trained_on == "m, 8 identities, method ice, seed 0"


def test_batches_are_of_clusters(market: Path, tmp_path: Path) -> None:
    method, _ = begun(market, tmp_path)
    source, labels = method.source(1), method._labels
    for batch in source.draws:
        own = labels[[draw.image for draw in batch]].view(-1, 3)
        assert (own >= 0).all()
        assert (own == own[:, :1]).all()
        assert len(own[:, 0].unique()) == len(own)
    image, _ = source.images[Draw(7, 3)]
    first, second, plain = image.chunk(3)
    assert not torch.equal(first, second)
    again, _ = source.images[Draw(7, 4)]
    assert torch.equal(again[6:], plain)
    assert not torch.equal(again[:3], first)


def test_tracklets_are_kept_together(market: Path, tmp_path: Path) -> None:
    method, _ = begun(market, tmp_path, "clustering.tracklets=true")
    labels = method._labels.view(-1, 3)
    assert (labels == labels[:, :1]).all()
    assert (labels >= 0).any()


def test_a_run(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = load_folder(market, "m"), tmp_path / "run"
    result = train_encoder("ice", data, out, settings("pictures=2"), seed=1)
    names = {"loss", "proxy", "camera", "hard", "soft", "clusters", "clustered"}
    names |= {"purity", "nmi", "pair_precision", "pair_recall"}
    assert set(result["epochs"][-1]["losses"]) == names
    assert result["epochs"][-1]["losses"]["clusters"] >= 2
    assert "clusters" in capsys.readouterr().err
    assert (out / "pictures" / "epoch_0002_clusters.png").is_file()
    assert not (out / "pictures" / "epoch_0001_clusters.png").exists()
    assert "Agreement of clusters and people" in (out / "report.html").read_text()
    encoder = load_encoder(out / "encoder.safetensors", "cpu")
    assert encoder.description.trained_on == "m, 48 images without labels, method ice, seed 1"
    # it is the momentum encoder that is kept, in half precision
    learnt, (kept, _) = weights(out), read_encoder(out / "encoder.safetensors")
    for name, value in kept.named_parameters():
        followed = learnt[f"teacher.model.{name}"]
        torch.testing.assert_close(value, followed, atol=1e-4, rtol=1e-3)
    assert (
        learnt["teacher.model.project.weight"] - learnt["model.project.weight"]
    ).abs().max() > 1e-3


def test_no_label_is_looked_at(market: Path, tmp_path: Path) -> None:
    """Shuffled labels give the same weights, and other figures of the clusters."""
    data = load_folder(market, "m")
    found = [
        train_encoder("ice", each, tmp_path / name, settings("epochs=1"), seed=2)
        for name, each in (("true", data), ("shuffled", shuffled(data)))
    ]
    assert same(weights(tmp_path / "true"), weights(tmp_path / "shuffled"))
    a, b = (result["epochs"][0]["losses"] for result in found)
    reported = set(cluster_quality([1], np.array([0])))
    assert {n: v for n, v in a.items() if n not in reported} == {
        n: v for n, v in b.items() if n not in reported
    }
    assert a["purity"] > b["purity"]


def test_goes_on_bit_for_bit(market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, chosen = load_folder(market, "m"), settings("epochs=3", "pictures=0")
    unbroken = train_encoder("ice", data, tmp_path / "whole", chosen, seed=3)
    with pytest.raises(KeyboardInterrupt):
        train_encoder("ice", data, tmp_path / "part", chosen, seed=3, report=stop_after(2))
    torch.rand(7)
    resumed = train_encoder("ice", data, tmp_path / "part", chosen, seed=3, resume=True)
    assert [e["losses"] for e in resumed["epochs"]] == [e["losses"] for e in unbroken["epochs"]]
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "part"))


@pytest.mark.slow
def test_goes_on_bit_for_bit_after_kill_9(market: Path, tmp_path: Path) -> None:
    """With images read by another process, whose number changes nothing."""
    data, whole, part = load_folder(market, "m"), tmp_path / "whole", tmp_path / "part"
    unbroken = train_encoder("ice", data, whole, settings("epochs=4"), seed=3)
    changes = [*SMALL, *CLUSTERING, *SIZES, "epochs=4", "workers=1"]
    options = [word for change in changes for word in ("--set", change)]
    command = [COMMAND, "ice", "--data", f"folder:{market}", "--out", part, "--seed", "3", *options]
    killed = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.startswith("epoch 2/4"):
            killed.kill()
    assert killed.wait() == -signal.SIGKILL
    killed.stderr.close()
    ended = subprocess.run([*command, "--resume", "--json"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["map"] == unbroken["metrics"]["map"]
    resumed = json.loads((part / "run.json").read_text())
    assert [e["losses"] for e in resumed["epochs"]] == [e["losses"] for e in unbroken["epochs"]]
    assert same(weights(whole), weights(part))


def test_one_camera(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_folder(market, "m")
    data.train[:] = [sample._replace(camera=1) for sample in data.train]
    result = train_encoder("ice", data, tmp_path / "run", settings("epochs=1"))
    assert "camera" not in result["epochs"][0]["losses"]
    assert "these images are of one camera" in capsys.readouterr().err


def test_fewer_clusters_than_a_batch_wants(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = settings("epochs=1", "identities_per_batch=40")
    train_encoder("ice", load_folder(market, "m"), tmp_path / "run", chosen)
    assert "so that a batch has" in capsys.readouterr().err


def test_copies_are_told_of(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = market / "bounding_box_train"
    for number in range(20):
        shutil.copy(
            folder / "0001_c1s1_000000_01.jpg", folder / f"0001_c1s1_{number + 50:06}_01.jpg"
        )
    train_encoder("ice", load_folder(market, "m"), tmp_path / "run", settings("epochs=1"))
    assert "20 of the 68 images are copies of others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["clustering.min_samples=40"], "none of the 48 images has enough neighbours"),
        (
            ["clustering.eps=0.9999", "clustering.k1=48"],
            "in a cluster are in the same, so that there is nobody",
        ),
        (["clustering.tracklets=true"], "do not say of which tracklet"),
    ],
)
def test_data_that_cannot_be_clustered(
    market: Path, tmp_path: Path, changes: list[str], says: str
) -> None:
    with pytest.raises(TrainError, match=says):
        train_encoder("ice", load_folder(market, "m"), tmp_path / "run", settings(*changes))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("validation={share: 0.2, every: 1}", "validation: without labels nobody can be held out"),
        ("ema=0.9", "ema: what is kept is an average already"),
        ("clustering.rho=0.1", "eps, rho, kmeans: one must be set, the others null"),
        (["reverse_soft=true", "squared_soft=true"], "only one of the two can be true"),
        ("label_smoothing=0.1", "unknown key 'label_smoothing'"),
    ],
)
def test_settings_that_do_not_fit(change: str | list[str], says: str) -> None:
    with pytest.raises(TrainError, match=says):
        settings(*([change] if isinstance(change, str) else change))


def test_the_published_setting() -> None:
    s = method_settings("ice", "paper")
    assert isinstance(s, IceSettings)
    assert (s.tau_proxy, s.tau_camera, s.negatives, s.lambda_camera) == (0.5, 0.07, 50, 0.5)
    assert (s.lambda_hard, s.tau_hard, s.lambda_soft, s.tau_soft) == (1.0, 0.1, 10.0, 0.4)
    clustering = json.loads(s.clustering.model_dump_json())
    assert (clustering["k1"], clustering["k2"], clustering["eps"]) == (30, 6, 0.55)
    assert (s.identities_per_batch, s.images_per_identity, s.steps, s.epochs) == (8, 4, 400, 40)
    assert (s.learning_rate, s.warmup_epochs, s.momentum) == (0.00035, 10, 0.999)
