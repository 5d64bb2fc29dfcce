"""GCL: its losses by hand, what stands still in the warm-up, its blindness, and whole runs."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import load_encoder
from tests.train.loop.test_processes import torchrun
from tests.train.loop.toy import stop_after
from tests.train.methods.blind import CLUSTERING, same, shuffled, weights
from tests.train.methods.small import SMALL
from tests.train.methods.views import write_blocks, write_encoder
from train.data import DataSet, Sample, load_folder
from train.errors import TrainError
from train.loop import Batch
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop
from train.methods.gcl import GclMethod
from train.methods.gcl_generation import GeneratorWarmUp, Made, ViewGeneration, split
from train.methods.gcl_settings import GclSettings
from train.run import method_settings, train_encoder
from train.structure.folder import TURNS, write_maps
from train.unsupervised.quality import cluster_quality

SIZES = ["generator.width=1", "discriminator.width=1", "clustering.eps=0.6", "pictures=0"]


@pytest.fixture
def data(market: Path, tmp_path: Path) -> DataSet:
    """Coloured blocks, with maps of where they are, and an encoder that knows nothing."""
    found = load_folder(market, "m")
    write_blocks(tmp_path / "maps", found.train)
    write_encoder(tmp_path / "warm.safetensors")
    return found


def settings(folder: Path, *changes: str) -> GclSettings:
    own = [f"warm_up={folder / 'warm.safetensors'}", f"structure={folder / 'maps'}"]
    own += ["epochs=2", "generator_epochs=1", "steps=1"]
    chosen = method_settings("gcl", changes=[*SMALL, *CLUSTERING, *SIZES, *own, *changes])
    assert isinstance(chosen, GclSettings)
    return chosen


def begun(method: ViewGeneration, chosen: GclSettings, out: Path) -> Batch:
    """A method whose first epoch has begun, and its first batch."""
    loop = Loop(method, chosen, 0, out, {}, make_accelerator("fp32"))
    loop.epoch = 1
    method.before_epoch(loop)
    batch = next(iter(loop._renewed_loader()))
    for model in method.models.values():
        model.train()
    return batch


def mean(one: torch.Tensor, other: torch.Tensor) -> float:
    """L1, number by number."""
    pairs = zip(one.detach().flatten().tolist(), other.detach().flatten().tolist(), strict=True)
    differences = [abs(a - b) for a, b in pairs]
    return sum(differences) / len(differences)


def test_losses_are_equations_5_1_to_5_9(data: DataSet, tmp_path: Path) -> None:
    torch.manual_seed(0)
    changes = ["lambda_image=2", "lambda_code=3", "lambda_adversarial=0.5", "lambda_view=0.7"]
    changes += ["lambda_view_image=0.2", "lambda_view_memory=0.4", "tau=0.5"]
    chosen = settings(tmp_path, *changes)
    method = GclMethod(chosen, data.train, 0, "")
    batch = begun(method, chosen, tmp_path)
    memory = method._contrast.memory.rows.clone()
    torch.manual_seed(5)
    found = {name: value.item() for name, value in method.learn(batch).items()}
    torch.manual_seed(5)
    seen = split(batch.images)
    made: Made = method.models["model"](seen.images, None, seen.maps)
    images, code = batch.images[:, :3], made.identity.code
    assert found["image"] == pytest.approx(
        mean(made.own, images) + mean(made.cycle, images), rel=1e-4
    )
    assert found["code"] == pytest.approx(
        mean(made.of_new.code, code) + mean(made.of_cycle.code, code), rel=1e-4
    )
    scores = [method._judge(kind) for kind in (made.own, made.new, made.cycle)]
    fooled = sum((s - 1).square().mean().item() for kind in scores for s in kind)
    assert found["adversarial"] == pytest.approx(fooled, rel=1e-4)
    method._contrast.memory.rows.copy_(memory)
    positive, _, negatives = method._contrast.compared(batch)

    def contrast(first: torch.Tensor, second: torch.Tensor, pushed: torch.Tensor) -> float:
        s = torch.nn.functional.cosine_similarity
        losses = []
        for n in range(len(first)):
            above = sum(torch.exp(s(pushed[n], memory[k], dim=0) / 0.5) for k in negatives[n])
            below = torch.exp(s(first[n], second[n], dim=0) / 0.5)
            losses.append(torch.log(1 + above / below).item())
        return sum(losses) / len(losses)

    f, new = made.row, made.of_new.row
    assert found["view"] == pytest.approx(contrast(f, positive, new), rel=1e-4)
    assert found["view_image"] == pytest.approx(contrast(new, f, new), rel=1e-4)
    assert found["view_memory"] == pytest.approx(contrast(new, positive, new), rel=1e-4)
    total = 2 * found["image"] + 3 * found["code"] + 0.5 * found["adversarial"]
    total += 0.7 * found["view"] + 0.2 * found["view_image"] + 0.4 * found["view_memory"]
    assert found["loss"] == pytest.approx(total, rel=1e-4)


def test_the_discriminator_sees_real_images_as_often_as_made_ones(
    data: DataSet, tmp_path: Path
) -> None:
    """Equation 5.3: a sum over the three kinds of generated images."""
    chosen = settings(tmp_path, "gradient_penalty=0")
    method = GclMethod(chosen, data.train, 0, "")
    batch = begun(method, chosen, tmp_path)
    with torch.no_grad():
        made, _ = method.make(batch)
    found = method.discriminate(batch)["discriminator"].item()
    wanted = 0.0
    for kind in (made.own, made.new, made.cycle):
        for real, fake in zip(method._judge(batch.images[:, :3]), method._judge(kind), strict=True):
            wanted += ((real - 1).square().mean() + fake.square().mean()).item()
    assert found == pytest.approx(wanted, rel=1e-4)


def test_the_encoder_stands_still_in_the_warm_up(data: DataSet, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    method = GeneratorWarmUp(chosen, data.train, 0)
    before = {name: value.clone() for name, value in method.network.state_dict().items()}
    generator = method._generator.decoder.state_dict()
    first = {name: value.clone() for name, value in generator.items()}
    Loop(method, chosen, 0, tmp_path, {}, make_accelerator("fp32")).run_epoch(1)
    assert same(method.network.state_dict(), before)
    assert all(parameter.grad is None for parameter in method.network.parameters())
    assert not same(method._generator.decoder.state_dict(), first)


def test_all_learn_together_afterwards(data: DataSet, tmp_path: Path) -> None:
    """Also through the generated views; neither the memory nor the target code does."""
    chosen = settings(tmp_path, "lambda_view=0", "lambda_view_image=0")
    method = GclMethod(chosen, data.train, 0, "")
    batch = begun(method, chosen, tmp_path)
    made, _ = method.make(batch)
    (new,) = torch.autograd.grad(made.of_new.row.sum(), made.new, retain_graph=True)
    assert new.abs().sum() > 0
    code = torch.autograd.grad(
        method._code_loss(made), made.identity.code, retain_graph=True, allow_unused=True
    )
    held = made._replace(of_new=made.identity, of_cycle=made.identity)
    assert code[0] is not None  # through what is generated of it
    (alone,) = torch.autograd.grad(method._code_loss(held), held.identity.code)
    assert (alone == 0).all()
    method.learn(batch)["loss"].backward()
    for part in (method.network, method._generator.structure, method._generator.decoder):
        gradients = [p.grad for p in part.parameters() if p.requires_grad]
        assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert not method._contrast.memory.rows.requires_grad


def test_the_memory_holds_what_was_seen(data: DataSet, tmp_path: Path) -> None:
    chosen = settings(tmp_path, "momentum=0")
    method = GclMethod(chosen, data.train, 0, "")
    batch = begun(method, chosen, tmp_path)
    rows = method._contrast.memory.rows
    before = rows.clone()
    torch.testing.assert_close(before.norm(dim=1), torch.ones(len(data.train)))
    method.learn(batch)
    changed = (rows != before).any(dim=1).nonzero().flatten().tolist()
    assert set(changed) == set(batch.indices.tolist())


def test_a_run(data: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In which one image lacks a map."""
    missing, out = data.train[0].path.stem, tmp_path / "run"
    (tmp_path / "maps" / "090" / f"{missing}.png").unlink()
    result = train_encoder("gcl", data, out, settings(tmp_path, "pictures=2"), seed=1)
    said = capsys.readouterr().err
    assert f"1 of the 48 images have no structure maps, such as {missing}.jpg" in said
    names = {"loss", "image", "code", "adversarial", "view", "view_image", "view_memory"}
    names |= {"discriminator", "penalty", "clusters", "clustered"}
    names |= set(cluster_quality([1], np.array([0])))
    assert set(result["epochs"][-1]["losses"]) == names
    assert (out / "pictures" / "epoch_0002_views.png").is_file()
    assert not (out / "pictures" / "epoch_0001_views.png").exists()
    assert (out / "steps" / "generator" / "pictures" / "epoch_0001_views.png").is_file()
    encoder = load_encoder(out / "encoder.safetensors", "cpu")
    assert encoder.description.trained_on == "m, 48 images without labels, method gcl, seed 1"
    assert encoder.description.input.height == 64
    assert len(encoder.embed([np.zeros((20, 10, 3), np.uint8)])[0]) == 32


def test_no_label_is_looked_at(data: DataSet, tmp_path: Path) -> None:
    """Shuffled labels give the same weights, and other figures of the clusters."""
    found = [
        train_encoder("gcl", each, tmp_path / name, settings(tmp_path, "epochs=1"), seed=2)
        for name, each in (("true", data), ("shuffled", shuffled(data)))
    ]
    true, other = tmp_path / "true", tmp_path / "shuffled"
    assert same(weights(true), weights(other))
    assert same(weights(true / "steps" / "generator"), weights(other / "steps" / "generator"))
    a, b = (result["epochs"][0]["losses"] for result in found)
    assert a["loss"] == b["loss"]
    assert a["purity"] > b["purity"]


def test_goes_on_bit_for_bit(data: DataSet, tmp_path: Path) -> None:
    chosen = settings(tmp_path, "augmentation.mirror=0.5", "augmentation.erase=0.5")
    unbroken = train_encoder("gcl", data, tmp_path / "whole", chosen, seed=3)
    with pytest.raises(KeyboardInterrupt):
        train_encoder("gcl", data, tmp_path / "part", chosen, seed=3, report=stop_after(1))
    torch.rand(7)
    resumed = train_encoder("gcl", data, tmp_path / "part", chosen, seed=3, resume=True)
    assert [e["losses"] for e in resumed["epochs"]] == [e["losses"] for e in unbroken["epochs"]]
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "part"))


@pytest.mark.slow
def test_two_processes_train_one_encoder(market: Path, data: DataSet, tmp_path: Path) -> None:
    """The second one waits for what the first one writes between the steps."""
    out = tmp_path / "run"
    own = [f"warm_up={tmp_path / 'warm.safetensors'}", f"structure={tmp_path / 'maps'}"]
    own += ["epochs=1", "generator_epochs=1", "steps=2"]
    changes = [*SMALL, *CLUSTERING, *SIZES, *own]
    options = [word for change in changes for word in ("--set", change)]
    command = ["gcl", "--data", f"folder:{market}", "--out", out, *options, "--json"]
    done = torchrun("--no-python", Path(sys.executable).parent / "camtrail-train", *command)
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "run.json").read_text())
    assert result["processes"] == 2
    assert json.loads(done.stdout) == result["metrics"]
    assert done.stderr.count("step 2 of 2") == 1


def test_a_generator_is_warmed_up_once(data: DataSet, tmp_path: Path) -> None:
    first = tmp_path / "first"
    train_encoder("gcl", data, first, settings(tmp_path, "epochs=1"), seed=4)
    again = tmp_path / "again"
    chosen = settings(tmp_path, "epochs=1", f"generator_from={first}")
    train_encoder("gcl", data, again, chosen, seed=4)
    assert same(weights(first), weights(again))
    assert not (again / "steps").exists()
    other = settings(tmp_path, f"generator_from={first}", "generator.width=2")
    with pytest.raises(TrainError, match="the warm generator is of another size"):
        train_encoder("gcl", data, tmp_path / "other", other)
    nowhere = settings(tmp_path, f"generator_from={tmp_path}")
    with pytest.raises(TrainError, match="not a usable checkpoint"):
        train_encoder("gcl", data, tmp_path / "nowhere", nowhere)


def test_contrast_alone(data: DataSet, tmp_path: Path) -> None:
    """Neither maps nor a generator; the encoder's own arguments are those of the file."""
    chosen = settings(tmp_path, "generate=false", "structure=null", "augmentation.mirror=0.5")
    result = train_encoder("gcl", data, tmp_path / "run", chosen)
    losses = result["epochs"][-1]["losses"]
    assert (
        losses.keys()
        == {"loss", "clusters", "clustered"} | cluster_quality([1], np.array([0])).keys()
    )
    assert not (tmp_path / "run" / "steps").exists()
    before, after = (
        load_encoder(file, "cpu").fingerprint
        for file in (tmp_path / "warm.safetensors", tmp_path / "run" / "encoder.safetensors")
    )
    assert before != after


def test_weights_in_place_of_an_encoder(data: DataSet, tmp_path: Path) -> None:
    """``weights`` may be of any origin; the network is then that of the settings."""
    chosen = settings(
        tmp_path,
        "warm_up=null",
        f"weights={tmp_path / 'warm.safetensors'}",
        "arguments.dimension=32",
        "epochs=1",
        "generate=false",
    )
    train_encoder("gcl", data, tmp_path / "run", chosen)
    assert load_encoder(tmp_path / "run" / "encoder.safetensors", "cpu").description.dimension == 32


def bad(data: DataSet, tmp_path: Path, says: str, *changes: str) -> None:
    with pytest.raises(TrainError, match=says):
        train_encoder("gcl", data, tmp_path / "run", settings(tmp_path, *changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["warm_up=null"], "GCL makes an encoder better that can already tell people apart"),
        (["structure=null"], "generating new views needs structure maps"),
        (["structure=/nowhere"], "/nowhere: no folder of structure maps"),
        (["parts=6"], "too small for an appearance code of 6 parts; .* or parts=4"),
        (["clustering.min_samples=40"], "none of the 48 images has enough neighbours"),
        (["clustering.tracklets=true"], "do not say of which tracklet"),
    ],
)
def test_what_cannot_be_learnt_from(
    data: DataSet, tmp_path: Path, changes: list[str], says: str
) -> None:
    bad(data, tmp_path, says, *changes)


def test_images_of_odd_sizes(data: DataSet, tmp_path: Path) -> None:
    write_encoder(tmp_path / "warm.safetensors", height=72)
    bad(data, tmp_path, "height=72: images are made of 16 pixels")


def test_maps_of_other_images(data: DataSet, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "maps")
    write_maps(tmp_path / "maps", "somebody", [np.zeros((8, 4), np.uint8)] * len(TURNS))
    bad(data, tmp_path, "has maps of other images than these")


def test_two_images_of_one_name(data: DataSet, tmp_path: Path) -> None:
    twin = Sample(tmp_path / data.train[0].path.name, 1, 1)
    shutil.copy(data.train[0].path, twin.path)
    bad(replace(data, train=[*data.train, twin]), tmp_path, "1 of them occur twice")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("validation={share: 0.2, every: 1}", "validation: without labels nobody can be held out"),
        ("tau=0", "tau: Input should be greater than 0"),
        ("momentum=1", "momentum: Input should be less than 1"),
        ("lambda_soft=1", "unknown key 'lambda_soft'"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, change: str, says: str) -> None:
    with pytest.raises(TrainError, match=says):
        settings(tmp_path, change)


def test_the_published_setting() -> None:
    s = method_settings("gcl", "paper")
    assert isinstance(s, GclSettings)
    assert (s.momentum, s.tau, s.negatives, s.parts, s.batch) == (0.2, 0.04, 8192, 4, 16)
    assert (s.lambda_image, s.lambda_code, s.lambda_adversarial) == (5.0, 5.0, 1.0)
    assert (s.generator_epochs, s.epochs, s.milestones, s.decay) == (40, 20, [10], 0.1)
    assert (s.optimizer, s.learning_rate) == ("sgd", 0.00035)
    assert (s.generator.learning_rate, s.discriminator.learning_rate) == (1e-4, 1e-4)
    assert (s.generator.width, s.discriminator.width) == (16, 32)
    assert (s.clustering.rho, s.adversarial, s.arguments["dimension"]) == (0.002, "log", 512)
    assert (s.height, s.width, s.changes_images) == (256, 128, False)
