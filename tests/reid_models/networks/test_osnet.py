"""OSNet by hand, against published figures, and against a public model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from reid_models import build
from reid_models.description import InputSpec
from reid_models.networks.attention import ChannelAttention
from reid_models.preprocess import to_batch
from reid_models.pretrained import load_backbone
from tests.reid_models.test_onnx import pets_crops


@pytest.mark.parametrize(("name", "operations"), [("osnet_x1_0", 978.9e6), ("osnet_x0_25", 82.3e6)])
def test_multiply_adds_are_the_published_ones(name: str, operations: float) -> None:
    with torch.device("meta"):
        model, image = build(name).eval(), torch.empty(1, 3, 256, 128)
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert counter.get_total_flops() / 2 == pytest.approx(operations, rel=1e-3)


def test_number_of_weights_is_the_published_one() -> None:
    """The 2,193,616 of the authors' own count takes the gate once for each of its four streams."""
    model = build("osnet_x1_0")
    gates = [m for m in model.modules() if isinstance(m, ChannelAttention)]
    once = sum(p.numel() for m in (model.trunk, model.project) for p in m.parameters())
    shared = sum(p.numel() for gate in gates for p in gate.parameters())
    assert once + 3 * shared == 2_193_616


@torch.inference_mode()
def test_by_hand(images: torch.Tensor, lived_in) -> None:
    """The whole of OSNet x0.25, written out with the public names."""
    model = lived_in(build("osnet_x0_25")).double()
    (_, trunk), (fc, project) = model.backbone_parts()
    s = trunk.state_dict() | {fc + key: value for key, value in project.state_dict().items()}

    def norm(x: torch.Tensor, at: str) -> torch.Tensor:
        mean, var = s[f"{at}.running_mean"], s[f"{at}.running_var"]
        return F.batch_norm(x, mean, var, s[f"{at}.weight"], s[f"{at}.bias"])

    def conv(x: torch.Tensor, at: str, stride: int = 1, padding: int = 0) -> torch.Tensor:
        return norm(F.conv2d(x, s[f"{at}.conv.weight"], None, stride, padding), f"{at}.bn")

    def light(x: torch.Tensor, at: str) -> torch.Tensor:
        x = F.conv2d(x, s[f"{at}.conv1.weight"])
        x = F.conv2d(x, s[f"{at}.conv2.weight"], padding=1, groups=x.shape[1])
        return norm(x, f"{at}.bn").relu()

    def gate(x: torch.Tensor, at: str) -> torch.Tensor:
        y = F.adaptive_avg_pool2d(x, 1)
        y = F.conv2d(y, s[f"{at}.fc1.weight"], s[f"{at}.fc1.bias"]).relu()
        return x * F.conv2d(y, s[f"{at}.fc2.weight"], s[f"{at}.fc2.bias"]).sigmoid()

    def block(x: torch.Tensor, at: str) -> torch.Tensor:
        y = conv(x, f"{at}.conv1").relu()
        mixed = gate(light(y, f"{at}.conv2a"), f"{at}.gate")
        for name, length in (("b", 2), ("c", 3), ("d", 4)):
            stream = y
            for index in range(length):
                stream = light(stream, f"{at}.conv2{name}.{index}")
            mixed = mixed + gate(stream, f"{at}.gate")
        widens = f"{at}.downsample.conv.weight" in s
        shortcut = conv(x, f"{at}.downsample") if widens else x
        return (conv(mixed, f"{at}.conv3") + shortcut).relu()

    x = F.max_pool2d(conv(images.double(), "conv1", 2, 3).relu(), 3, 2, 1)
    for stage in ("conv2", "conv3", "conv4"):
        x = block(block(x, f"{stage}.0"), f"{stage}.1")
        if stage != "conv4":
            x = F.avg_pool2d(conv(x, f"{stage}.2.0").relu(), 2, 2)
    x = conv(x, "conv5").relu()
    torch.testing.assert_close(model.maps(images.double()), x, rtol=1e-10, atol=1e-10)
    x = F.linear(x.mean((2, 3)), s["fc.0.weight"], s["fc.0.bias"])
    x = norm(x, "fc.1").relu()
    torch.testing.assert_close(model.features(images.double()), x, rtol=1e-10, atol=1e-10)


@pytest.mark.realdata
def test_gives_what_the_public_model_gives(realdata: Path) -> None:
    """The public weights, by their names, against the same model in ONNX: noise and PETS."""
    model = build("osnet_x0_25").eval()
    folder = realdata / "encoder"
    loaded = load_backbone(model, str(folder / "osnet_x0_25_msmt17_torch_state.pt"))
    assert (loaded.left, loaded.unused) == ((), ())
    session = onnxruntime.InferenceSession(str(folder / "osnet_x0_25_msmt17.onnx"))
    noise = np.random.default_rng(0).standard_normal((4, 256, 128, 3)).astype(np.float32)
    crops = to_batch(list(pets_crops(realdata, 100).values()), InputSpec(height=256, width=128))
    assert len(crops) >= 3
    for batch in (noise, crops):
        wanted = session.run(None, {"input": batch.transpose(0, 3, 1, 2)})[0]
        with torch.inference_mode():
            tensor = torch.from_numpy(batch).permute(0, 3, 1, 2)
            features, embedding = model.features(tensor).numpy(), model(tensor).numpy()
        np.testing.assert_allclose(features, wanted, atol=1e-4)
        unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        np.testing.assert_allclose(embedding, unit, atol=1e-4)
