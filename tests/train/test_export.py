"""An exported encoder gives the same embeddings, or is not written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from reid_models import Description, InputSpec, build, load_encoder, save_encoder
from train.cli import app
from train.errors import TrainError
from train.export import TOLERANCE, export_encoder, largest_difference


def encoder_file(path: Path, seed: int = 0, flip: bool = False) -> Path:
    torch.manual_seed(seed)
    network = build("stripenet", dimension=32)
    spec = InputSpec(height=64, width=32)
    arguments = {"dimension": 32}
    description = Description(
        input=spec, dimension=32, architecture="stripenet", arguments=arguments, flip=flip
    )
    save_encoder(path, network.eval(), description)
    return path


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("name", "files"), [("e.onnx", ["e.onnx"]), ("e.xml", ["e.bin", "e.xml"])])
def test_the_export_is_the_same_encoder(
    tmp_path: Path, name: str, files: list[str], flip: bool
) -> None:
    if name == "e.xml":
        pytest.importorskip("openvino", reason="needs the extra openvino")
    source, target = encoder_file(tmp_path / "e.safetensors", flip=flip), tmp_path / name
    assert export_encoder(source, target) <= TOLERANCE
    rng = np.random.default_rng(1)
    crops = [rng.integers(0, 256, (90, 40, 3), np.uint8) for _ in range(33)]
    for count in (1, 33):
        first, second = (load_encoder(p, "cpu").embed(crops[:count]) for p in (source, target))
        np.testing.assert_allclose(first, second, atol=TOLERANCE)
    expected = sorted([*files, "e.safetensors", "e.yaml"])
    assert sorted(p.name for p in tmp_path.iterdir()) == expected


def test_as_safetensors(tmp_path: Path) -> None:
    source, target = encoder_file(tmp_path / "e.safetensors"), tmp_path / "to" / "f.safetensors"
    assert export_encoder(source, target) == 0
    assert load_encoder(source).fingerprint == load_encoder(target).fingerprint
    assert [p.name for p in target.parent.iterdir()] == ["f.safetensors"]


def test_another_network_shows(tmp_path: Path) -> None:
    """The check must be able to fail."""
    one = encoder_file(tmp_path / "a.safetensors", seed=1)
    two = encoder_file(tmp_path / "b.safetensors", seed=2)
    assert largest_difference(one, two) > 100 * TOLERANCE


@pytest.mark.parametrize("name", ["e.onnx", "e.xml"])
def test_what_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "e.xml":
        pytest.importorskip("openvino", reason="needs the extra openvino")
    source, target = encoder_file(tmp_path / "e.safetensors"), tmp_path / name
    monkeypatch.setattr("train.export.TOLERANCE", -1.0)
    with pytest.raises(TrainError, match="nothing was written"):
        export_encoder(source, target)
    assert [p.name for p in tmp_path.iterdir()] == ["e.safetensors"]


def test_the_name_must_say_what(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"ends in \.onnx, \.xml \(OpenVINO\)"):
        export_encoder(encoder_file(tmp_path / "e.safetensors"), tmp_path / "e.bin")


def test_an_engine_is_made_where_it_runs(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(TrainError, match="on the NVIDIA GPU that is to run it; there is none here"):
        export_encoder(encoder_file(tmp_path / "e.safetensors"), tmp_path / "e.engine")
    assert [p.name for p in tmp_path.iterdir()] == ["e.safetensors"]


def test_without_openvino_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TrainError, match=r"pip install 'camtrail\[openvino\]'"):
        export_encoder(encoder_file(tmp_path / "e.safetensors"), tmp_path / "e.xml")


def test_a_description_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    one = encoder_file(tmp_path / "a.safetensors", seed=1)
    two = encoder_file(tmp_path / "b.safetensors", seed=2, flip=True)
    export_encoder(one, tmp_path / "mine.onnx")
    fingerprint = load_encoder(tmp_path / "mine.onnx").fingerprint
    (tmp_path / "site.yaml").write_text("site: yard\n")
    (tmp_path / "mine.engine").write_bytes(b"of the same encoder")
    for target in ("mine.onnx", "site.onnx"):
        with pytest.raises(TrainError, match=r"\.yaml: is there and says something else"):
            export_encoder(two, tmp_path / target)
    assert load_encoder(tmp_path / "mine.onnx").fingerprint == fingerprint
    assert (tmp_path / "site.yaml").read_text() == "site: yard\n"
    (tmp_path / "mine.engine").unlink()
    export_encoder(two, tmp_path / "mine.onnx")  # its own it may replace
    assert load_encoder(tmp_path / "mine.onnx").description.flip


def test_without_tensorrt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TrainError, match="needs the Python package tensorrt"):
        export_encoder(encoder_file(tmp_path / "e.safetensors"), tmp_path / "e.engine")


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs the extra openvino")
    source, target = encoder_file(tmp_path / "e.safetensors"), tmp_path / "mine.xml"
    done = CliRunner().invoke(app, ["export", str(source), "--out", str(target), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert 0 <= said.pop("largest_difference") <= TOLERANCE
    assert said == {
        "file": str(target),
        "weights": str(tmp_path / "mine.bin"),
        "description": str(tmp_path / "mine.yaml"),
    }
