"""Encoders in OpenVINO's own files, made of small ONNX ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from reid_models import EncoderError, describe_encoder, load_encoder
from reid_models.openvino_runtime import mute_openvino
from tests.reid_models.test_onnx import SAID, write_onnx

mute_openvino()
openvino = pytest.importorskip("openvino", reason="needs the extra openvino")


def write_openvino(path: Path, shape: list[int | str], said: object) -> None:
    """The encoder of `write_onnx` in both formats."""
    write_onnx(path.with_suffix(".onnx"), shape, None)
    _save(openvino.Core().read_model(path.with_suffix(".onnx")), path, said)


def _save(model: openvino.Model, path: Path, said: object) -> None:
    openvino.save_model(model, path, compress_to_fp16=False)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(said))


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_it_gives_what_onnxruntime_gives(
    tmp_path: Path, crops: Sequence[np.ndarray], layout: str, batch: int | str
) -> None:
    path = tmp_path / "e.xml"
    shape = [batch, 3, 16, 8] if layout == "nchw" else [batch, 16, 8, 3]
    write_openvino(path, shape, {**SAID, "input": {**SAID["input"], "layout": layout}})
    encoder = load_encoder(path, "cpu", threads=1)
    other = load_encoder(path.with_suffix(".onnx"), "cpu", threads=1)
    assert encoder.device == "cpu"
    for some in (crops[:1], [*crops] * 20, []):
        np.testing.assert_allclose(encoder.embed(some), other.embed(some), atol=1e-5)


def test_threads_may_call_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "e.xml"
    write_openvino(path, ["N", 3, 16, 8], SAID)
    encoder = load_encoder(path, "cpu", threads=1)
    rng = np.random.default_rng(0)
    crops = [[rng.integers(0, 256, (16, 8, 3), np.uint8)] * 4 for _ in range(4)]
    expected = [encoder.embed(own) for own in crops]
    found: dict[int, list[np.ndarray]] = {n: [] for n in range(4)}

    def work(number: int) -> None:
        for _ in range(50):
            found[number].append(encoder.embed(crops[number]))

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for number, own in found.items():
        assert len(own) == 50
        for embeddings in own:
            np.testing.assert_array_equal(embeddings, expected[number])


def test_fingerprint_covers_the_weights_and_the_description(tmp_path: Path) -> None:
    path = tmp_path / "e.xml"
    write_openvino(path, ["N", 3, 16, 8], SAID)
    first = load_encoder(path).fingerprint
    assert describe_encoder(path)[1] == first
    weights = path.with_suffix(".bin")
    changed = bytearray(weights.read_bytes())
    changed[-2] ^= 1
    weights.write_bytes(changed)
    assert load_encoder(path).fingerprint != first
    changed[-2] ^= 1
    weights.write_bytes(changed)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**SAID, "flip": True}))
    assert load_encoder(path).fingerprint != first


def test_a_byte_that_moves_from_one_file_to_the_other_shows(tmp_path: Path) -> None:
    """Such a network loads: OpenVINO minds neither the end of the .xml nor that of the .bin."""
    path = tmp_path / "e.xml"
    matrix = np.random.default_rng(1).standard_normal((6, 3, 16, 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "matrix"], ["embedding"])],
        "encoder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 8])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 6, 1, 1])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path.with_suffix(".onnx"))
    _save(openvino.Core().read_model(path.with_suffix(".onnx")), path, SAID)
    first = describe_encoder(path)[1]
    network, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    assert network.endswith(b"</net>\n")
    path.write_bytes(network[:-1])
    path.with_suffix(".bin").write_bytes(network[-1:] + weights)
    assert load_encoder(path, "cpu").fingerprint != first


@pytest.mark.parametrize("kind", ["u8", "i64", "string"])
def test_an_input_that_takes_no_floats(tmp_path: Path, kind: str) -> None:
    """OpenVINO would cut them to whole numbers without a word."""
    path = tmp_path / "e.xml"
    ops = openvino.opset13
    image = ops.parameter([-1, 3, 16, 8], getattr(openvino.Type, kind), name="image")
    _save(openvino.Model([ops.shape_of(image)], [image], "encoder"), path, SAID)
    with pytest.raises(EncoderError, match=f"its input is of {kind}, an encoder's is of floats"):
        load_encoder(path, "cpu")


@pytest.mark.parametrize(
    ("shape", "said", "text"),
    [
        (["N", 3, 16, 8], {**SAID, "dimension": 7}, "embeddings of 6 numbers, but e.yaml says"),
        (["N", 3, 16, 9], SAID, "its input is .* but e.yaml describes"),
        ([4, 3, 16, 8], SAID, "its input is"),
        (["N", 3, 16, 8], {"dimension": 6}, "input: Field required"),
    ],
)
def test_files_that_contradict_each_other(
    tmp_path: Path, shape: list[int | str], said: object, text: str
) -> None:
    path = tmp_path / "e.xml"
    write_openvino(path, shape, said)
    with pytest.raises(EncoderError, match=text):
        load_encoder(path, "cpu")


def test_files_that_are_not_what_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "e.xml"
    with pytest.raises(EncoderError, match="no such encoder file"):
        load_encoder(path)
    write_openvino(path, ["N", 3, 16, 8], SAID)
    with pytest.raises(EncoderError, match="device 'cuda': OpenVINO runs on the processor"):
        load_encoder(path, "cuda")
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(EncoderError, match="OpenVINO cannot load it"):
        load_encoder(path)
    path.write_text("<net>")
    with pytest.raises(EncoderError, match="OpenVINO cannot load it"):
        load_encoder(path)
    weights.unlink()
    for read in (load_encoder, describe_encoder):
        with pytest.raises(EncoderError, match=r"needs its weights in e\.bin beside it"):
            read(path)


def test_a_file_that_is_overwritten_changes_nothing_of_what_runs(tmp_path: Path) -> None:
    """As it would, and end the process, if the weights were mapped into memory."""
    path = tmp_path / "e.xml"
    write_openvino(path, ["N", 3, 16, 8], SAID)
    encoder = load_encoder(path, "cpu", threads=1)
    crops = [np.full((16, 8, 3), value, np.uint8) for value in (10, 200)]
    before = encoder.embed(crops)
    with path.with_suffix(".bin").open("r+b") as file:
        file.write(bytes(path.with_suffix(".bin").stat().st_size))
    np.testing.assert_array_equal(encoder.embed(crops), before)
    with path.with_suffix(".bin").open("r+b") as file:
        file.truncate(1)
    np.testing.assert_array_equal(encoder.embed(crops), before)


def test_without_the_package_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.xml"
    write_openvino(path, ["N", 3, 16, 8], SAID)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"pip install 'camtrail\[openvino\]'"):
        load_encoder(path)
