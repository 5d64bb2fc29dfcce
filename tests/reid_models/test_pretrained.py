"""Where networks get their first weights from."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from reid_models import Description, EncoderError, InputSpec, build, pretrained, save_encoder
from reid_models.pretrained import load_backbone

State = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _no_unexpected_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


@pytest.fixture(scope="session")
def public() -> State:
    """As torchvision publishes ResNet-18."""
    torch.manual_seed(4)
    return models.resnet18(weights=None).state_dict()


def hollow(name: str) -> State:
    """The shapes of a torchvision network in a file of a few kilobytes."""
    with torch.device("meta"):
        shapes = models.get_model(name, weights=None).state_dict()
    return {key: torch.zeros(()).expand(value.shape) for key, value in shapes.items()}


def save(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


def assert_trunk(trunk: nn.Module, state: State) -> None:
    for key, value in trunk.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, state[key]), key


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {"epoch": 60, "state_dict": {f"module.{k}": v for k, v in s.items()}},
        lambda s: {"model": {f"backbone.{k}": v for k, v in s.items()}},
    ],
)
def test_public_weights_in_their_wrappings(tmp_path: Path, public: State, wrap) -> None:
    model = build("resnet18")
    head = model.neck.weight.clone()
    loaded = load_backbone(model, save(tmp_path / "w.pth", wrap(public)))
    assert (loaded.left, loaded.unused) == ((), ())
    assert loaded.loaded == sum(not k.endswith("_tracked") for k in model.trunk.state_dict())
    assert_trunk(model.trunk, public)
    assert torch.equal(model.neck.weight, head)


def test_safetensors(tmp_path: Path, public: State) -> None:
    save_file(public, tmp_path / "w.safetensors")
    model = build("resnet18")
    load_backbone(model, str(tmp_path / "w.safetensors"))
    assert_trunk(model.trunk, public)


def test_every_branch_of_scr_gets_them(tmp_path: Path, public: State) -> None:
    model = build("scr", backbone="resnet18")
    loaded = load_backbone(model, save(tmp_path / "w.pth", public))
    assert (loaded.left, loaded.unused) == ((), ())
    assert_trunk(model.shared, public)
    for branch in model.branches:
        assert_trunk(branch.trunk, public)


def test_attention_stays_random_and_says_so(tmp_path: Path, public: State) -> None:
    model = build("scr", backbone="resnet18", attention="se")
    with pytest.warns(UserWarning, match=r"32 tensors not in it, left random \(such as layer1"):
        loaded = load_backbone(model, save(tmp_path / "w.pth", public))
    assert len(loaded.left) == 8 * 4
    assert all(".se.fc" in name for name in loaded.left)


def test_the_old_names_of_densenet(tmp_path: Path) -> None:
    """torchvision's files say ``denselayer1.norm.1.weight`` for ``denselayer1.norm1.weight``."""
    torch.manual_seed(5)
    new = models.densenet121(weights=None).state_dict()
    old = {}
    for key, value in new.items():
        for kind in ("norm", "conv"):
            for number in "12":
                key = key.replace(f".{kind}{number}.", f".{kind}.{number}.")
        old[key] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model = build("densenet121")
    loaded = load_backbone(model, save(tmp_path / "w.pth", old))
    assert (loaded.left, loaded.unused) == ((), ())
    assert_trunk(model.trunk, {k.removeprefix("features."): v for k, v in new.items()})


def test_plain_weights_for_ibn_leave_its_norms_random_and_say_so(tmp_path: Path) -> None:
    source = save(tmp_path / "w.pth", hollow("resnet50"))
    with pytest.warns(UserWarning, match="78 tensors not in it, left random .*bn1.BN.bias"):
        loaded = load_backbone(build("resnet50_ibn_a"), source)
    assert len(loaded.unused) == 13 * 4


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "osnet_x0_25", "scr", "stripenet"])
def test_an_encoder_file_is_loaded_whole(tmp_path: Path, name: str) -> None:
    arguments = {"backbone": "resnet18"} if name == "scr" else {}
    torch.manual_seed(6)
    first = build(name, **arguments)
    with torch.no_grad():
        first.neck.weight.uniform_()
    path = tmp_path / "encoder.safetensors"
    spec = InputSpec(height=64, width=32)
    save_encoder(path, first, Description(input=spec, dimension=first.dimension))
    second = build(name, **arguments)
    loaded = load_backbone(second, str(path))
    assert (loaded.left, loaded.unused) == ((), ())
    new = second.state_dict()
    for key, old in first.state_dict().items():
        torch.testing.assert_close(new[key].float(), old.float(), rtol=1e-3, atol=1e-6, msg=key)


@pytest.mark.parametrize("name", ["stripenet", "resnet18", "densenet121", "osnet_x1_0"])
def test_an_encoder_file_with_another_head_gives_its_backbone(tmp_path: Path, name: str) -> None:
    first, second = build(name, dimension=64), build(name, dimension=32)
    path = tmp_path / "encoder.safetensors"
    spec = InputSpec(height=64, width=32)
    save_encoder(path, first, Description(input=spec, dimension=64))
    head = second.neck.weight.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that OSNet's fully connected layer stays random
        loaded = load_backbone(second, str(path))
    assert all(key.startswith("fc.") for key in loaded.left)
    parts = zip(first.backbone_parts(), second.backbone_parts(), strict=True)
    for (prefix, old), (_, new) in parts:
        for key, value in old.state_dict().items():
            if prefix != "fc." and value.ndim >= 2:
                assert torch.equal(value.half().float(), new.state_dict()[key])
    assert torch.equal(second.neck.weight, head)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("resnet50", ["resnet18", "resnet101", "densenet121"]),
        ("resnet101", ["resnet50"]),
        ("resnet18", ["resnet50"]),
        ("densenet121", ["resnet50", "densenet169"]),
        ("osnet_x0_25", ["resnet18"]),
        ("stripenet", ["resnet18"]),
    ],
)
def test_another_architecture_is_refused(tmp_path: Path, name: str, others: list[str]) -> None:
    model = build(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for other in others:
        source = save(tmp_path / f"{other}.pth", hollow(other))
        with pytest.raises(EncoderError, match=f"{other}.pth: weights of another .* than {name}:"):
            load_backbone(model, source)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_wider_osnet_is_refused(tmp_path: Path) -> None:
    source = save(tmp_path / "w.pt", build("osnet_x1_0").trunk.state_dict())
    with pytest.raises(EncoderError, match="another architecture than osnet_x0_25"):
        load_backbone(build("osnet_x0_25"), source)


class _Foreign:
    """Something that unpickling would have to run code for."""


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("w.onnx", None, "imagenet, none, or a file that ends in .pth, .pt, .safetensors"),
        ("Imagenet", None, "imagenet, none, or a file"),
        ("missing.pth", None, "no such file of weights"),
        ("w.pth", b"", "truncated, or holds more than tensors"),
        ("w.pth", b"not weights", "truncated, or holds more than tensors"),
        ("w.safetensors", b"not weights", "truncated or not a safetensors file"),
        ("w.pth", {"model": _Foreign()}, "more than tensors, which is not unpickled"),
        ("w.pth", {"best": 0.9}, "holds no state dict"),
        ("w.pth", [torch.zeros(2)], "holds no state dict"),
    ],
)
def test_files_that_are_not_weights(tmp_path: Path, name: str, content, text: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(EncoderError, match=text):
        load_backbone(build("stripenet"), str(path))


def test_truncated_and_spoilt_weights(tmp_path: Path, public: State) -> None:
    path = tmp_path / "w.pth"
    torch.save(public, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(EncoderError, match="truncated"):
        load_backbone(build("resnet18"), str(path))
    spoilt = {**public, "layer2.0.bn1.bias": torch.full((128,), float("nan"))}
    with pytest.raises(EncoderError, match=r"2\.0\.bn1\.bias holds numbers that are not finite"):
        load_backbone(build("resnet18"), save(path, spoilt))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("resnet18", "resnet18 starts from random weights.* imagenet or a file"),
        ("osnet_x0_25", "osnet_x0_25 starts from random weights.* from a file"),
        ("scr", "resnet50 starts from random weights"),
    ],
)
def test_random_weights_are_warned_of(name: str, text: str) -> None:
    with torch.device("meta"):
        model = build(name)
    with pytest.warns(UserWarning, match=text):
        assert load_backbone(model, "none").loaded == 0


def test_the_light_network_is_meant_to_start_from_random_weights() -> None:
    assert load_backbone(build("stripenet"), "none").loaded == 0  # a warning would be an error


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub and a server of weights that is a folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    server = tmp_path / "server"
    server.mkdir()
    return server


def offer(hub: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, digest: str) -> None:
    path = hub / f"resnet18-{digest}.pth"
    path.write_bytes(content)
    monkeypatch.setitem(pretrained._IMAGENET, "resnet18", path.as_uri())


def test_imagenet_is_downloaded_once(
    hub: Path, monkeypatch: pytest.MonkeyPatch, public: State
) -> None:
    torch.save(public, hub / "w.pth")
    content = (hub / "w.pth").read_bytes()
    offer(hub, monkeypatch, content, hashlib.sha256(content).hexdigest()[:8])
    for model in (build("resnet18"), build("resnet18")):
        load_backbone(model, "imagenet")
        assert_trunk(model.trunk, public)
        for file in hub.iterdir():  # the second finds it in the cache
            file.unlink()


def test_a_damaged_download_is_refused(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(hub, monkeypatch, b"half of it", "0123abcd")
    with pytest.raises(EncoderError, match=r"cannot download .*resnet18-0123abcd.pth \(.*hash"):
        load_backbone(build("resnet18"), "imagenet")


def test_no_network(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained._IMAGENET, "resnet18", (hub / "gone-0123abcd.pth").as_uri())
    with pytest.raises(EncoderError, match=r"cannot download .* and name the file, or say none"):
        load_backbone(build("resnet18"), "imagenet")


def test_no_imagenet_weights_are_known() -> None:
    with pytest.raises(EncoderError, match="no ImageNet weights are known for osnet_x0_25"):
        load_backbone(build("osnet_x0_25"), "imagenet")


def test_torchvisions_addresses_are_its_first_imagenet_weights() -> None:
    for name in ("resnet18", "resnet50", "resnet101", "densenet121"):
        assert pretrained._IMAGENET[name] == models.get_model_weights(name).IMAGENET1K_V1.url
