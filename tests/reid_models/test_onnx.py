"""Encoders that come as ONNX: small ones made here, and two public ones."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from reid_models import EncoderError, load_encoder


def write_onnx(path: Path, shape: list[int | str], said: dict | None, dimension: int = 6) -> None:
    """An encoder that averages blocks of the picture: (N, .., .., ..) to (N, dimension)."""
    size = int(np.prod([v for v in shape[1:] if isinstance(v, int)]))
    matrix = np.random.default_rng(1).standard_normal((size, dimension)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
        ],
        "encoder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [shape[0], dimension])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    if said is not None:
        path.with_suffix(".yaml").write_text(yaml.safe_dump(said))


SAID = {
    "input": {
        "height": 16,
        "width": 8,
        "layout": "nchw",
        "colour": "rgb",
        "mean": [1.0, 2.0, 3.0],
        "std": [4.0, 5.0, 6.0],
    },
    "dimension": 6,
}


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_layout_colour_and_batch(
    tmp_path: Path, crops: list, layout: str, colour: str, batch: int | str
) -> None:
    path = tmp_path / "e.onnx"
    shape = [batch, 3, 16, 8] if layout == "nchw" else [batch, 16, 8, 3]
    write_onnx(
        path, shape, {**SAID, "input": {**SAID["input"], "layout": layout, "colour": colour}}
    )
    exact = [np.ascontiguousarray(crop[:9, :8].repeat(2, axis=0)[:16]) for crop in crops]
    found = load_encoder(path, "cpu", threads=1).embed(exact)
    session = onnxruntime.InferenceSession(str(path))
    for crop, embedding in zip(exact, found, strict=True):
        image = crop[:, :, ::-1] if colour == "bgr" else crop
        image = (image.astype(np.float64) - [1, 2, 3]) / [4, 5, 6]
        if layout == "nchw":
            image = image.transpose(2, 0, 1)
        wanted = session.run(None, {"image": image[None].astype(np.float32)})[0][0]
        np.testing.assert_allclose(embedding, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_fingerprint_covers_both_files(tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    write_onnx(path, ["N", 3, 16, 8], SAID)
    first = load_encoder(path).fingerprint
    path.with_suffix(".yaml").write_text("# a remark\n" + yaml.safe_dump(SAID))
    assert load_encoder(path).fingerprint == first
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**SAID, "flip": True}))
    assert load_encoder(path).fingerprint != first
    write_onnx(path, [1, 3, 16, 8], SAID)
    assert load_encoder(path).fingerprint != first


@pytest.mark.parametrize(
    ("shape", "said", "text"),
    [
        (["N", 3, 16, 8], None, "needs its description in e.yaml beside it"),
        (["N", 3, 16, 8], {**SAID, "dimension": 7}, "embeddings of 6 numbers, but e.yaml says"),
        (["N", 3, 16, 9], SAID, "its input is .* but e.yaml describes"),
        (["N", 16, 8, 3], SAID, "its input is .* but e.yaml describes"),
        ([4, 3, 16, 8], SAID, "its input is"),
        (["N", 3, 16, 8], {"dimension": 6}, "input: Field required"),
        (["N", 3, 16, 8], ["a list"], "bad encoder description"),
    ],
)
def test_files_that_contradict_each_other(tmp_path: Path, shape, said, text: str) -> None:
    path = tmp_path / "e.onnx"
    write_onnx(path, shape, said)
    with pytest.raises(EncoderError, match=text):
        load_encoder(path, "cpu")


def test_a_network_that_gives_one_embedding_for_several_crops(tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    write_onnx(path, ["N", 3, 16, 8], SAID)
    model = onnx.load(path)
    model.graph.node.append(
        helper.make_node("ReduceMean", ["embedding"], ["mean"], axes=[0], keepdims=1)
    )
    model.graph.output[0].name = "mean"
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    onnx.save(model, path)
    with pytest.raises(EncoderError, match=r"gives \(1, 6\) for 2 crops"):
        load_encoder(path, "cpu")


def test_files_that_are_not_what_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    with pytest.raises(EncoderError, match="no such encoder file"):
        load_encoder(path)
    path.write_bytes(b"not a model")
    path.with_suffix(".yaml").write_text(yaml.safe_dump(SAID))
    with pytest.raises(EncoderError, match="onnxruntime cannot load it"):
        load_encoder(path)
    path.with_suffix(".yaml").write_text("a: [")
    with pytest.raises(EncoderError, match="not YAML"):
        load_encoder(path)
    path.with_suffix(".yaml").write_text("#" * (2 << 20))
    with pytest.raises(EncoderError, match="larger than 1 MB"):
        load_encoder(path)


def test_devices(tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    write_onnx(path, ["N", 3, 16, 8], SAID)
    with pytest.raises(EncoderError, match="unknown device"):
        load_encoder(path, "cuda:x")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert load_encoder(path, "auto").device == "cpu"
        with pytest.raises(EncoderError, match="built without CUDA"):
            load_encoder(path, "cuda")


PUBLIC = {
    "osnet_x0_25_msmt17": {"input": {"height": 256, "width": 128}, "dimension": 512},
    "person-reidentification-retail-0288": {
        "input": {
            "height": 256,
            "width": 128,
            "layout": "nhwc",
            "colour": "bgr",
            "mean": [0, 0, 0],
            "std": [1, 1, 1],
        },
        "dimension": 256,
    },
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", PUBLIC)
def test_public_encoders_tell_people_apart(tmp_path: Path, realdata: Path, name: str) -> None:
    """Crops of PETS: the same person a second later is nearer than any other person."""
    path = tmp_path / f"{name}.onnx"
    shutil.copy(realdata / "encoder" / path.name, path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(PUBLIC[name]))
    encoder = load_encoder(path, "cpu", threads=1)
    first, later = pets_crops(realdata, 200), pets_crops(realdata, 207)
    common = sorted(first.keys() & later.keys())
    assert len(common) >= 3
    a = encoder.embed([first[key] for key in common])
    b = encoder.embed([later[key] for key in common])
    assert a.shape == (len(common), PUBLIC[name]["dimension"])
    np.testing.assert_array_equal((a @ b.T).argmax(axis=1), np.arange(len(common)))


@functools.cache
def pets_crops(realdata: Path, frame: int) -> dict[int, np.ndarray]:
    import cv2

    folder = realdata / "video" / "pets-two-cameras"
    crops = {}
    for camera in ("left", "right"):
        capture = cv2.VideoCapture(str(folder / f"{camera}.mp4"))
        for _ in range(frame):
            assert capture.grab()
        picture = capture.retrieve()[1]
        capture.release()
        truth = np.loadtxt(folder / f"{camera}.gt.txt", delimiter=",")
        for row in truth[truth[:, 0] == frame]:
            x, y, w, h = row[2:6].astype(int)
            crop = picture[max(y, 0) : y + h, max(x, 0) : x + w, ::-1]
            crops[int(row[1])] = np.ascontiguousarray(crop)
    return crops
