"""DG-Net's losses by hand, whom they teach, and the method trained for real on a few images."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from reid_models import load_encoder
from tests.folders import made_once
from tests.train.conftest import write_market
from tests.train.methods.small import small
from train.data import DataSet, load_folder
from train.errors import TrainError
from train.loop import Batch, Epoch
from train.methods.dgnet import DGNetMethod
from train.methods.dgnet_features import DGNetSettings
from train.run import method_settings, train_encoder

SMALL = [
    "arguments.dimension=32",
    "generator.width=2",
    "discriminator.width=2",
    "identities_per_batch=3",
    "images_per_identity=2",
    "precision=fp32",
    "workers=0",
    "lambda_primary=0",
]


def tiny(*changes: str) -> DGNetSettings:
    settings = method_settings("dgnet", changes=[*SMALL, *changes])
    assert isinstance(settings, DGNetSettings)
    return settings


def batch(views: int = 1) -> Batch:
    images = torch.randn(6, 3 * views, 64, 32, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([4, 4, 1, 1, 7, 7])
    return Batch(images, labels, labels)


def gradients(module: torch.nn.Module) -> float:
    return sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None)


@pytest.fixture
def data(market: Path) -> DataSet:
    return load_folder(market, "m")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of the same data that knows its training images."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    data = load_folder(made_once("market", write_market), "m")
    changes = ["epochs=15", "augmentation.another_camera=0", "augmentation.erase=0"]
    train_encoder("baseline", data, out, small("baseline", *changes), report=lambda epoch: None)
    return out / "encoder.safetensors"


def only(*names: str) -> list[str]:
    """Weights of 0 for all losses but those named."""
    weights = ("image", "code", "identity", "generated_identity", "adversarial")
    return [f"lambda_{name}={int(name in names)}" for name in weights]


def test_every_loss_by_hand(data: DataSet) -> None:
    torch.manual_seed(0)
    method = DGNetMethod(tiny("label_smoothing=0", "ramp_codes=false"), data.train, 0, "")
    given = batch(2)
    images, changed = given.images[:, :3], given.images[:, 3:]
    torch.manual_seed(5)
    sibling, partner = method._pairs(6)
    assert sibling.tolist() == [1, 0, 3, 2, 5, 4]
    assert all(given.labels[partner] != given.labels)
    torch.manual_seed(5)
    losses = method.generate(given)
    model = method.models["model"]
    generator, network = model.generator, model.generator.network
    with torch.no_grad():
        appearance, structure = network.code(images), generator.structure_of(images)
        own = generator.decoder(appearance, structure)
        other = generator.decoder(appearance[[1, 0, 3, 2, 5, 4]], structure)
        cross = generator.decoder(appearance, structure[partner])
        again = network.code(cross)
        real = network.heads(network.code(changed))
        logits = [h @ c.weight.T for h, c in zip(real, model.classifiers, strict=True)]
        generated = network.heads(again).primary @ model.classifiers[0].weight.T
        scores = method._judge(cross)
    wanted = {
        "image": (own - images).abs().mean() + (other - images).abs().mean(),  # equations 1, 2
        "appearance": (again - appearance).abs().mean(),  # equation 4
        "structure": (generator.structure_of(cross) - structure[partner]).abs().mean(),  # 5
        "identity": sum(F.cross_entropy(part, given.labels) for part in logits),  # equation 3
        "generated_identity": F.cross_entropy(generated, given.labels),  # equation 6
        "adversarial": sum((s - 1).square().mean() for s in scores),
    }
    for name, value in wanted.items():
        assert losses[name].item() == pytest.approx(float(value), rel=1e-4), name
    total = 5 * wanted["image"] + wanted["appearance"] + wanted["structure"]
    total = total + wanted["identity"] + 0.5 * wanted["generated_identity"]
    total = total + wanted["adversarial"]
    assert losses["loss"].item() == pytest.approx(float(total), rel=1e-4)


def test_the_discriminators_loss_by_hand(data: DataSet) -> None:
    torch.manual_seed(0)
    method = DGNetMethod(tiny("gradient_penalty=0.5"), data.train, 0, "")
    method.generate(batch())
    losses = method.discriminate(batch())
    real, fake = batch().images, method._made
    loss = torch.zeros(())
    for scale in range(3):
        loss = loss + (method._judge(real)[scale] - 1).square().mean()
        loss = loss + method._judge(fake)[scale].square().mean()
    assert losses["discriminator"].item() == pytest.approx(loss.item(), rel=1e-5)
    total = losses["discriminator"] + 0.5 * losses["penalty"]
    assert losses["loss"].item() == pytest.approx(total.item())
    losses["loss"].backward()
    assert gradients(method._judge) > 0
    assert gradients(method.models["model"]) == 0


@pytest.mark.parametrize("name", ["generated_identity", "adversarial"])
def test_who_judges_a_generated_image_does_not_change(name: str, data: DataSet) -> None:
    """Section 3.3: these losses pass the image, and reach what made it only. The gradient is that
    of a plain pass with the judges' weights held."""
    torch.manual_seed(0)
    changes = [*only(name), "detach_appearance=true", "label_smoothing=0"]
    method = DGNetMethod(tiny(*changes), data.train, 0, "")
    torch.manual_seed(5)
    method.generate(batch())["loss"].backward()
    model = method.models["model"]
    generator = model.generator
    assert gradients(method._judge) == gradients(generator.network) == 0
    assert gradients(model.classifiers) == 0
    found = generator.decoder.conv5.weight.grad.clone()
    torch.manual_seed(5)
    _, partner = method._pairs(6)
    codes = generator.codes(batch().images)
    cross = generator.decoder(codes.appearance.detach(), codes.structure[partner])
    if name == "adversarial":
        loss = sum((s - 1).square().mean() for s in method._judge(cross))
    else:
        head = generator.network.heads(generator.network.code(cross)).primary
        loss = F.cross_entropy(model.classifiers[0](head), batch().labels)
    (wanted,) = torch.autograd.grad(loss, generator.decoder.conv5.weight)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["generated_identity", "code"])
def test_who_judges_learns_as_well_where_it_should(name: str, data: DataSet) -> None:
    """Section 3.3: the other half of the update. The loss and the generator's half are the same."""
    found = []
    for learns in ("false", "true"):
        torch.manual_seed(0)
        changes = [*only(name), "ramp_codes=false", "detach_appearance=true"]
        method = DGNetMethod(tiny(*changes, f"judge_learns={learns}"), data.train, 0, "")
        torch.manual_seed(5)
        loss = method.generate(batch())["loss"]
        loss.backward()
        model = method.models["model"]
        generator = model.generator
        own = gradients(generator.network), gradients(model.classifiers)
        found.append((loss.item(), gradients(generator.decoder), own))
        assert gradients(method._judge) == 0
    (loss, made, own), (loss_too, made_too, own_too) = found
    assert loss_too == pytest.approx(loss)
    assert made_too == pytest.approx(made)
    assert own == (0, 0)
    assert own_too[0] > 0
    assert (own_too[1] > 0) == (name == "generated_identity")


@pytest.mark.parametrize("detached", [False, True])
def test_image_reconstruction_reaches_the_appearance_encoder(detached: bool, data: DataSet) -> None:
    changes = [*only("image"), f"detach_appearance={str(detached).lower()}"]
    method = DGNetMethod(tiny(*changes), data.train, 0, "")
    method.generate(batch())["loss"].backward()
    generator = method.models["model"].generator
    assert gradients(generator.decoder) > 0
    assert gradients(generator.structure) > 0
    assert (gradients(generator.network.trunk) == 0) is detached


def test_generated_images_do_not_count_in_batch_norm(data: DataSet) -> None:
    torch.manual_seed(0)
    method = DGNetMethod(tiny(), data.train, 0, "")
    network = method.network.train()
    method.generate(batch())
    found = network.trunk.stem[1].running_mean.clone()
    network.trunk.stem[1].running_mean.zero_()
    network.code(batch().images)
    torch.testing.assert_close(network.trunk.stem[1].running_mean, found)


def test_the_weights_of_feature_learning(data: DataSet, teacher: Path) -> None:
    """Equations 8 and 9, nothing before ``feed_from`` and in full after ``feed_ramp``."""
    torch.manual_seed(0)
    changes = ["lambda_primary=2", f"teacher={teacher}", "feed_from=2", "feed_ramp=4", "steps=2"]
    settings = tiny(*changes, *only(), "label_smoothing=0")
    method = DGNetMethod(settings, data.train, 0, "")
    method.source(2)
    assert "primary" not in method.generate(batch())
    shares = []
    for epoch in (3, 4, 7, 9):
        method.source(epoch)
        for _ in range(2):
            shares.append(method._ramp())
            losses = method.generate(batch())
    assert shares == [0, 0.125, 0.25, 0.375, 1, 1, 1, 1]
    wanted = 2 * (losses["primary"] + 0.2 * losses["fine"])
    assert losses["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)
    torch.manual_seed(5)
    losses = method.generate(batch())
    torch.manual_seed(5)
    _, partner = method._pairs(6)
    model, images = method.models["model"], method._made
    heads = model.generator.network.heads(model.generator.network.code(images))
    primary, fine = (c(h) for c, h in zip(model.classifiers, heads, strict=True))
    soft, mine = method.models["teacher"](images).double(), primary.double().softmax(1)
    divergence = sum(
        float(q * (q / p).log()) for q, p in zip(soft.flatten(), mine.flatten(), strict=True)
    )
    assert losses["primary"].item() == pytest.approx(divergence / 6, rel=1e-4)
    hard = F.cross_entropy(fine, batch().labels[partner])
    assert losses["fine"].item() == pytest.approx(hard.item(), rel=1e-5)
    losses["loss"].backward()
    assert gradients(model.generator.network) > 0
    assert gradients(model.generator.decoder) == 0


def test_learns_and_writes_what_it_promises(data: DataSet, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = tiny(
        "epochs=4", "feed_from=2", "feed_ramp=1", f"teacher={teacher}", "lambda_primary=2",
        "pictures=3", "generator.width=4", "steps=6",
    )  # fmt: skip
    result = train_encoder("dgnet", data, out, settings, seed=1)
    first, last = (result["epochs"][i]["losses"] for i in (0, -1))
    for name in ("image", "identity", "generated_identity"):
        assert last[name] < first[name], name
    assert "primary" not in first
    assert last["primary"] > 0
    encoder = load_encoder(out / "encoder.safetensors", "cpu")
    assert encoder.dimension == 32
    assert encoder.description.arguments["mirror"] is True
    assert not encoder.description.flip
    assert result["metrics"]["map"] > 0.4
    names = {"grid", "reconstruction", "swap", "appearance_steps", "structure_steps"}
    pictures = {path.name for path in (out / "pictures").iterdir()}
    assert pictures == {f"epoch_{e:04}_{n}.png" for e in (3, 4) for n in names}
    page = (out / "report.html").read_text()
    assert page.count("<img ") == len(names)
    grid = base64.b64encode((out / "pictures" / "epoch_0004_grid.png").read_bytes()).decode()
    assert f'src="data:image/png;base64,{grid}" alt="grid, epoch 4"' in page
    assert "What the generator and the discriminator lose to each other" in page


def test_a_run_that_was_stopped_goes_on_bit_for_bit(data: DataSet, tmp_path: Path) -> None:
    """Nor does it matter whether activations are kept or computed again."""
    common = ["epochs=2", "steps=2", "ema=0.9", "pictures=1"]
    settings, recomputed = tiny(*common), tiny(*common, "gradient_checkpointing=true")

    def stop(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    train_encoder("dgnet", data, tmp_path / "whole", settings, seed=4)
    with pytest.raises(KeyboardInterrupt):
        train_encoder("dgnet", data, tmp_path / "part", recomputed, seed=4, report=stop)
    torch.rand(10)  # what else draws random numbers must not matter
    train_encoder("dgnet", data, tmp_path / "part", recomputed, seed=4, resume=True)
    states: list[dict[str, Tensor]] = []
    for name in ("whole", "part"):
        content = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        models = content["state"]["models"]
        states.append({f"{m}.{k}": v for m, state in models.items() for k, v in state.items()})
        states[-1] |= load_file(tmp_path / name / "encoder.safetensors")
    assert states[0].keys() == states[1].keys()
    other = [k for k, value in states[0].items() if not torch.equal(value, states[1][k])]
    assert [k for k in other if not k.endswith("num_batches_tracked")] == []  # nothing uses it


@pytest.mark.parametrize("loss", ["log", "lsgan"])
def test_fused_losses_and_objectives(loss: str, data: DataSet, tmp_path: Path) -> None:
    changes = ["image_reconstruction=l1+rmse", "code_reconstruction=0.4*l1+0.6*cosine"]
    settings = tiny("epochs=1", "steps=2", f"adversarial={loss}", "pictures=0", *changes)
    result = train_encoder("dgnet", data, tmp_path / "run", settings)
    assert result["settings"]["image_reconstruction"] == "l1+rmse"
    assert not (tmp_path / "run" / "pictures").exists()


def test_the_presets_are_the_papers_figures() -> None:
    for preset in ("paper", "full"):
        s = method_settings("dgnet", preset)
        assert isinstance(s, DGNetSettings)
        assert (s.optimizer, s.learning_rate) == ("sgd", 0.002)
        for adam in (s.generator, s.discriminator):
            assert (adam.learning_rate, adam.betas) == (1e-4, (0.0, 0.999))
        assert (s.generator.width, s.discriminator.width) == (16, 32)
        weights = (s.lambda_image, s.lambda_generated_identity, s.lambda_primary, s.alpha)
        assert weights == (5, 0.5, 2, 0.2)
        assert (s.steps, s.epochs, s.feed_from, s.feed_ramp) == (1000, 100, 30, 4)
        assert s.identities_per_batch * s.images_per_identity == 8
        assert (s.height, s.width) == (256, 128)
        assert s.arguments == {
            "backbone": "resnet50",
            "last_stride": 2,
            "parts": 4,
            "dimension": 1024,
            "beta": 0.5,
        }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (["lambda_primary=2"], "teacher: primary feature learning needs one"),
        (["architecture=stripenet", "arguments={}"], "stripenet takes no argument 'mirror'"),
        (["height=48"], "height=48: too small for an appearance code of 4 parts"),
        (["width=16"], "width=16: images are made of 16 pixels, .* 32 or more"),
        (["width=-16"], "width: Input should be greater than or equal to 8"),
        (["generated_by=run", "code_reconstruction=0.4l1"], "write a loss or a weighted sum"),
        (["image_reconstruction=l1+l7"], "unknown loss 'l7'"),
        (["teacher=none.safetensors"], "none.safetensors: no such encoder file"),
        (["precision=fp16"], "precision=fp16|fp16 needs a GPU"),
    ],
)
def test_settings_that_cannot_be(
    changes: list[str], text: str, data: DataSet, tmp_path: Path
) -> None:
    from reid_models import EncoderError

    with pytest.raises((TrainError, EncoderError), match=text):
        train_encoder("dgnet", data, tmp_path / "run", tiny("epochs=1", *changes))


def test_one_image_an_identity(market: Path, tmp_path: Path) -> None:
    for path in (market / "bounding_box_train").iterdir():
        identity, camera = int(path.name[:4]), int(path.name[6])
        if identity % 2 == camera % 2 or not path.name.endswith("000000_01.jpg"):
            path.unlink()
    with pytest.raises(TrainError, match="every identity has one image only"):
        train_encoder("dgnet", load_folder(market, "m"), tmp_path / "run", tiny("epochs=1"))


def test_a_collapsed_discriminator_stops_the_run(data: DataSet, tmp_path: Path) -> None:
    settings = tiny("epochs=5", "steps=5", "collapse={loss: 100, steps: 12}", "pictures=0")
    for resume in (False, True):  # which begins where it was not yet in doubt
        with pytest.raises(TrainError, match=r"collapsed in epoch 4: for 20 steps .* from before"):
            train_encoder("dgnet", data, tmp_path / "run", settings, resume=resume)
        content = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
        assert len(content["state"]["history"]) == 1


def test_a_loss_that_explodes_is_named(data: DataSet, tmp_path: Path) -> None:
    settings = tiny("epochs=1", "steps=4", "generator.learning_rate=1e30", "warmup_epochs=0")
    with pytest.raises(TrainError, match="no longer a number in epoch 1"):
        train_encoder("dgnet", data, tmp_path / "run", settings)
