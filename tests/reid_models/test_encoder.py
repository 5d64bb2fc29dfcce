"""The encoder file, and embedding."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from reid_models import Description, EncoderError, describe_encoder, load_encoder, save_encoder


def naive_embedding(crop: np.ndarray, model: nn.Module, flip: bool) -> np.ndarray:
    """One crop through the unfused network in float64, step by step."""
    shrinks = crop.shape[0] > 128 and crop.shape[1] > 64
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    image = cv2.resize(crop, (64, 128), interpolation=method).astype(np.float64)
    image = (image - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    total = np.zeros(32)
    for view in [image, image[:, ::-1]] if flip else [image]:
        tensor = torch.from_numpy(view.transpose(2, 0, 1).copy())[None]
        with torch.no_grad():
            total += model.double()(tensor)[0].numpy()
    model.float()
    return total / np.sqrt((total**2).sum())


@pytest.mark.parametrize("flip", [False, True])
def test_embeddings_are_those_of_the_plain_network(
    tmp_path: Path, network: nn.Module, description: Description, crops: list, flip: bool
) -> None:
    path = tmp_path / "e.safetensors"
    save_encoder(path, network, description.model_copy(update={"flip": flip}))
    found = load_encoder(path, "cpu").embed(crops)
    wanted = np.stack([naive_embedding(crop, network, flip) for crop in crops])
    assert found.dtype == np.float32
    assert found.shape == (len(crops), 32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, wanted, atol=2e-3)  # weights are stored in half precision


def test_a_crop_is_embedded_alike_alone_and_in_company(encoder_file: Path, crops: list) -> None:
    encoder = load_encoder(encoder_file, "cpu")
    together = encoder.embed(crops * 9)  # more than one batch
    alone = np.concatenate([encoder.embed([crop]) for crop in crops])
    np.testing.assert_allclose(together, np.tile(alone, (9, 1)), atol=1e-5)


def test_no_crops_give_no_embeddings(encoder_file: Path) -> None:
    assert load_encoder(encoder_file, "cpu").embed([]).shape == (0, 32)


def test_what_is_saved_is_what_is_loaded(encoder_file: Path, description: Description) -> None:
    encoder = load_encoder(encoder_file, "cpu")
    assert encoder.description == description
    assert encoder.dimension == 32
    assert encoder.device == "cpu"


def test_what_a_file_says_is_read_without_torch(
    encoder_file: Path, description: Description
) -> None:
    assert describe_encoder(encoder_file) == (description, load_encoder(encoder_file).fingerprint)
    code = (
        "import sys; from reid_models import describe_encoder; describe_encoder(sys.argv[1]); "
        "print([name for name in ('torch', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, encoder_file], stdout=subprocess.PIPE)
    assert done.stdout == b"[]\n"


def test_fingerprint_tells_weights_and_descriptions_apart(
    tmp_path: Path, network: nn.Module, description: Description
) -> None:
    def fingerprint(name: str, said: Description) -> str:
        save_encoder(tmp_path / name, network, said)
        return load_encoder(tmp_path / name, "cpu").fingerprint

    first = fingerprint("a.safetensors", description)
    assert fingerprint("b.safetensors", description) == first
    flipped = description.model_copy(update={"flip": True})
    assert fingerprint("c.safetensors", flipped) != first
    with torch.no_grad():
        network.project.weight[0, 0] += 1
    try:
        assert fingerprint("d.safetensors", description) != first
    finally:
        with torch.no_grad():
            network.project.weight[0, 0] -= 1


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 10, 3), np.float32),
    ],
)
def test_a_wrong_crop_is_named(encoder_file: Path, crop: np.ndarray) -> None:
    good = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(EncoderError, match="crop 1 must be uint8 H x W x 3"):
        load_encoder(encoder_file, "cpu").embed([good, crop])


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cpu0", "mps", ""])
def test_a_device_that_is_not_there(encoder_file: Path, device: str) -> None:
    with pytest.raises(EncoderError, match="device"):
        load_encoder(encoder_file, device)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such encoder file"):
        load_encoder(tmp_path / "none.safetensors")
    with pytest.raises(EncoderError, match=r"ends in \.safetensors, \.onnx, \.xml"):
        load_encoder(tmp_path / "weights.pth")
    torch.save({"a": torch.zeros(2)}, tmp_path / "pickle.safetensors")
    with pytest.raises(EncoderError, match="truncated or not a safetensors file"):
        load_encoder(tmp_path / "pickle.safetensors")


@pytest.mark.parametrize("size", [0, 7, 8, 100, 5000, -1])
def test_truncated_anywhere(encoder_file: Path, size: int) -> None:
    content = encoder_file.read_bytes()
    encoder_file.write_bytes(content[:size])
    for read in (load_encoder, describe_encoder):
        with pytest.raises(EncoderError, match="truncated or not a safetensors file"):
            read(encoder_file)


def test_a_giant_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 90 << 20))
        file.truncate(200 << 20)  # sparse
    with pytest.raises(EncoderError, match="not a safetensors file"):
        load_encoder(path)


def rewrite(path: Path, change_header=None, change_tensors=None) -> None:
    """Write the encoder file again with parts changed, as a faulty exporter would."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    said = json.loads(json.loads(raw[8 : 8 + length])["__metadata__"]["camtrail"])
    tensors = load_file(path)
    if change_header:
        change_header(said)
    if change_tensors:
        change_tensors(tensors)
    save_file(tensors, path, metadata={"camtrail": json.dumps(said)})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d.update(architecture="vit_giant"), "unknown architecture 'vit_giant'"),
        (lambda d: d.update(arguments={"dimension": 64}, dimension=64), r"neck.bias is \(32"),
        (lambda d: d.update(dimension=31), "says dimension 31, but stripenet .* gives 32"),
        (lambda d: d["input"].update(height=0), r"input\.height"),
        (lambda d: d["input"].update(std=[1, 0, 1]), r"input\.std\.1"),
        (lambda d: d["input"].pop("width"), r"input\.width: Field required"),
        (lambda d: d.update(colour="rgb"), "colour: Extra inputs are not permitted"),
        (lambda d: d.update(format=2), "format 2 is not known here"),
    ],
)
def test_a_description_that_does_not_fit(encoder_file: Path, change, text: str) -> None:
    rewrite(encoder_file, change_header=change)
    with pytest.raises(EncoderError, match=text):
        load_encoder(encoder_file)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("project.weight"), "project.weight is missing"),
        (lambda t: t.update(extra=torch.zeros(3)), "extra is not expected"),
        (lambda t: t.update({"neck.weight": torch.zeros(5)}), r"neck.weight is \(5,\) where \(32,"),
        (lambda t: t["neck.weight"].fill_(float("nan")), "neck.weight .* not finite"),
        (lambda t: t.update({"neck.weight": torch.zeros(32, dtype=torch.int32)}), "not finite"),
    ],
)
def test_weights_that_do_not_fit(encoder_file: Path, change, text: str) -> None:
    rewrite(encoder_file, change_tensors=change)
    with pytest.raises(EncoderError, match=text):
        load_encoder(encoder_file)


def test_weights_without_description(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(EncoderError, match="no camtrail description"):
        load_encoder(path)
