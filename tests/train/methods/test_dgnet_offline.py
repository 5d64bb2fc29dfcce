"""DG-Net's features from the images of a generator that is done."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.train.methods.test_dgnet import batch, data, gradients, teacher, tiny
from train.data import DataSet
from train.errors import TrainError
from train.generation.generator import Codes
from train.methods.dgnet_generator import load_generator
from train.methods.dgnet_offline import OfflineDGNetMethod, make_dgnet
from train.run import train_encoder

__all__ = ["data", "teacher"]  # fixtures


@pytest.fixture
def made(data: DataSet, tmp_path: Path) -> Path:
    """A DG-Net run."""
    out = tmp_path / "made"
    train_encoder("dgnet", data, out, tiny("epochs=1", "steps=3", "pictures=0"), seed=2)
    return out


def test_losses_by_hand_and_whom_they_teach(data: DataSet, teacher: Path, made: Path) -> None:
    torch.manual_seed(0)
    changes = ["lambda_primary=2", f"teacher={teacher}", f"generated_by={made}", "feed_from=0"]
    settings = tiny(*changes, "feed_ramp=0", "label_smoothing=0")
    method = make_dgnet(settings, data.train, 0, "")
    assert isinstance(method, OfflineDGNetMethod)
    method.models["model"].train()
    given = batch(2)
    torch.manual_seed(5)
    _, partner = method._pairs(6)
    torch.manual_seed(5)
    losses = method.learn(given)
    generator, _ = load_generator(made, "cpu")
    with torch.no_grad():
        codes = generator.codes(given.images[:, :3])
        images = generator.generate(Codes(codes.appearance, codes.structure[partner]))
        network, model = method.network, method.models["model"]
        real = model.classify(network, network.code(given.images[:, 3:]))
        fed = model.classify(network, network.code(images))
        soft = method.models["teacher"](images)
    identity = sum(F.cross_entropy(logits, given.labels) for logits in real)
    primary = (soft * (soft.log() - fed.primary.log_softmax(1))).sum() / 6
    fine = F.cross_entropy(fed.fine, given.labels[partner])
    for name, value in {"identity": identity, "primary": primary, "fine": fine}.items():
        assert losses[name].item() == pytest.approx(float(value), rel=1e-4), name
    total = identity + 2 * (primary + 0.2 * fine)
    assert losses["loss"].item() == pytest.approx(float(total), rel=1e-4)
    losses["loss"].backward()
    assert gradients(method.network) > 0
    assert gradients(method.models["model"].generator) == 0


def test_the_generator_stays_as_it_is(data: DataSet, teacher: Path, made: Path) -> None:
    out = made.with_name("offline")
    changes = ["lambda_primary=2", f"teacher={teacher}", f"generated_by={made}", "feed_from=0"]
    result = train_encoder("dgnet", data, out, tiny("epochs=2", "steps=3", *changes), seed=3)
    assert result["epochs"][-1]["losses"]["primary"] > 0
    content = torch.load(out / "checkpoint.pt", weights_only=True)["state"]["models"]["model"]
    generator, _ = load_generator(made, "cpu")
    for name, value in generator.state_dict().items():
        assert torch.equal(content[f"generator.{name}"], value), name
    assert not (out / "pictures").exists()


def test_a_generator_of_another_size(data: DataSet, made: Path, tmp_path: Path) -> None:
    settings = tiny("epochs=1", "height=128", "width=64", f"generated_by={made}")
    with pytest.raises(TrainError, match="images of 64 x 32 pixels; set height=64 and width=32"):
        train_encoder("dgnet", data, tmp_path / "run", settings)
    settings = tiny("epochs=1", f"generated_by={tmp_path}")
    with pytest.raises(TrainError, match="checkpoint"):
        train_encoder("dgnet", data, tmp_path / "other", settings)
