"""The detector's exports: the same persons as from its weights, in ultralytics' own words."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from typer.testing import CliRunner

from pipeline import config
from pipeline.cli import app
from pipeline.errors import CamtrailError
from pipeline.inference import exported
from pipeline.inference.detector import Detector
from pipeline.inference.export import FORMATS, PARTIAL, export
from pipeline.inference.runtimes.pytorch import TorchNetwork
from pipeline.records import Detections, Image
from pipeline.simulate import SiteOptions, simulate_site

SIZE = 384  # what the demo's detector was trained with
KINDS = ["onnx", "openvino"]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The demo's detector in each format that needs no GPU."""
    folder = tmp_path_factory.mktemp("exports")
    made = {kind: folder / f"detector{FORMATS[kind].ending}" for kind in KINDS}
    for kind, target in made.items():
        export(config.DEMO_DETECTOR, kind, target, None)
    return made


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    """Of a simulated camera."""
    folder = tmp_path_factory.mktemp("site")
    simulate_site(folder, SiteOptions(seed=61, cameras=2, people=6, seconds=4, fps=5))
    return list(read(folder / "gate.mp4"))


def read(video: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(video))
    while (frame := capture.read())[0]:
        yield np.asarray(frame[1], np.uint8)


def detector(weights: Path, **changes: object) -> Detector:
    return Detector(config.Detector(weights=str(weights), device="cpu", **changes), threads=1)


def in_torch(weights: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> Detector:
    """The weights themselves, in torch."""
    monkeypatch.setattr(exported, "exported_once", lambda _: None)
    plain = detector(weights, **changes)
    assert isinstance(plain._network, TorchNetwork)
    monkeypatch.undo()
    return plain


def assert_alike(found: Detections, wanted: Detections, pixels: float) -> None:
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found.confidences, wanted.confidences, atol=1e-3)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_finds_whom_the_weights_find(
    exports: dict[str, Path], frames: list[Image], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, other = in_torch(config.DEMO_DETECTOR, monkeypatch), detector(exports[kind])
    assert (other.device, other.size, other.stride) == ("cpu", SIZE, plain.stride)
    persons = 0
    for frame in frames[::4]:
        for picture in (frame, frame[:, 200:]):  # of another shape
            wanted = plain.detect([picture])[0]
            assert_alike(other.detect([picture])[0], wanted, pixels=0.05)
            persons += len(wanted)
    assert persons > 10
    for one, together in zip(plain.detect(frames[:3]), other.detect(frames[:3]), strict=True):
        assert_alike(together, one, pixels=0.05)


@pytest.mark.realdata
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_finds_the_real_people(
    realdata: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = realdata / "detector" / "yolo11n_deq.pt"
    export(weights, kind, tmp_path / f"yolo{FORMATS[kind].ending}", 640)
    plain = in_torch(weights, monkeypatch, image_size=640)
    other = detector(tmp_path / f"yolo{FORMATS[kind].ending}")
    frames = list(read(realdata / "video" / "TUD-Campus.mp4"))[::20]
    for found, wanted in zip(other.detect(frames), plain.detect(frames), strict=True):
        assert len(wanted) >= 3
        assert_alike(found, wanted, pixels=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_several_threads_at_once_find_what_one_finds(
    exports: dict[str, Path], frames: list[Image], kind: str
) -> None:
    shared = Detector(config.Detector(weights=str(exports[kind]), device="cpu"), threads=3)
    assert shared.at_once == 3
    with ThreadPoolExecutor(3, initializer=shared.share(3)) as pool:
        together = list(pool.map(lambda frame: shared.detect([frame])[0], frames[:12]))
    alone = detector(exports[kind])
    for found, frame in zip(together, frames, strict=False):
        assert_alike(found, alone.detect([frame])[0], pixels=1e-3)


def test_the_command_says_how_to_use_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site: yard\ncameras: {gate: {source: gate.mp4}}\n")
    result = CliRunner().invoke(app, ["detector", "export", str(path), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    target = tmp_path / "detector.onnx"
    assert told["weights"] == str(target)
    assert told["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["detector.onnx", "site.yaml"]
    assert detector(target, sha256=told["sha256"]).size == SIZE
    with pytest.raises(CamtrailError, match=r"not the file that detector\.sha256 means"):
        detector(target, sha256="0" * 64)


def test_of_a_folder_all_files_count(exports: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(exports["openvino"], tmp_path / "folder")
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(folder.iterdir()))).hexdigest()
    assert detector(folder, sha256=digest)
    with next(folder.glob("*.bin")).open("r+b") as file:
        file.write(b"x")
    with pytest.raises(CamtrailError, match="not the file"):
        detector(folder, sha256=digest)


def test_what_cannot_be_exported_is_said(tmp_path: Path) -> None:
    target = tmp_path / "detector"
    if not torch.cuda.is_available():
        with pytest.raises(CamtrailError, match="tensorrt: is made on the NVIDIA GPU"):
            export(config.DEMO_DETECTOR, "tensorrt", target, None)
    text = tmp_path / "text.pt"
    text.write_text("no weights")
    with pytest.raises(CamtrailError, match="not loadable as ultralytics"):
        export(text, "onnx", target, None)
    assert not target.exists()


def test_broken_exports_are_named(exports: dict[str, Path], tmp_path: Path) -> None:
    text, cut = tmp_path / "text.onnx", tmp_path / "cut.onnx"
    text.write_text("no network")
    cut.write_bytes(exports["onnx"].read_bytes()[:100_000])
    for path in (text, cut):
        with pytest.raises(CamtrailError, match=f"{path.name}: onnxruntime cannot load it"):
            detector(path)
    folder = shutil.copytree(exports["openvino"], tmp_path / "folder")
    next(folder.glob("*.xml")).write_text("no network")
    with pytest.raises(CamtrailError, match="folder: OpenVINO cannot load it"):
        detector(folder)
    next(folder.glob("*.xml")).unlink()
    with pytest.raises(CamtrailError, match=r"holds one \.xml file, this 0"):
        detector(folder)
    if not torch.cuda.is_available():
        (tmp_path / "x.engine").write_bytes(b"x")
        with pytest.raises(CamtrailError, match=r"x\.engine: a TensorRT engine needs an NVIDIA"):
            detector(tmp_path / "x.engine")


def changed(source: Path, target: Path, **metadata: str) -> Path:
    """The same network with other metadata; without what is ""."""
    model = onnx.load(source)
    kept = {entry.key: entry.value for entry in model.metadata_props} | metadata
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in kept.items() if value})
    onnx.save(model, target)
    return target


def test_metadata_is_read_and_never_run(exports: dict[str, Path], tmp_path: Path) -> None:
    trap, caught = tmp_path / "trap.onnx", tmp_path / "caught"
    changed(exports["onnx"], trap, names=f"{{0: open({str(caught)!r}, 'w').name}}")
    with pytest.raises(CamtrailError, match="its metadata has no valid names"):
        detector(trap)
    assert not caught.exists()
    for field in ("task", "stride", "names"):
        with pytest.raises(CamtrailError, match=f"has no valid {field}"):
            detector(changed(exports["onnx"], tmp_path / "bare.onnx", **{field: ""}))
    with pytest.raises(CamtrailError, match="for the task 'segment'; a detector is needed"):
        detector(changed(exports["onnx"], tmp_path / "other.onnx", task="segment"))
    with pytest.raises(CamtrailError, match="knows no class 'person', only: cat, dog"):
        detector(changed(exports["onnx"], tmp_path / "a.onnx", names="{0: 'cat', 1: 'dog'}"))
    folder = shutil.copytree(exports["openvino"], tmp_path / "folder")
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"task": "detect"}))
    with pytest.raises(CamtrailError, match="has no valid stride"):
        detector(folder)


@pytest.mark.slow
def test_an_export_of_one_size_has_its_own_letterbox(
    tmp_path: Path, frames: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `yolo export` makes them where nothing else is said."""
    from ultralytics import YOLO

    weights = Path(shutil.copy(config.DEMO_DETECTOR, tmp_path / "fixed.pt"))
    YOLO(weights).export(format="onnx", imgsz=SIZE, simplify=False, device="cpu")
    fixed = detector(weights.with_suffix(".onnx"))
    assert fixed.shape == (SIZE, SIZE)
    frame = frames[len(frames) // 2]
    wanted = YOLO(weights.with_suffix(".onnx"), task="detect").predict(
        frame, imgsz=SIZE, conf=0.25, iou=0.6, device="cpu", verbose=False
    )[0]
    found = fixed.detect([frame, frame])
    assert len(found[0]) > 0
    for one in found:
        assert_alike(
            one, Detections(wanted.boxes.xyxy.numpy(), wanted.boxes.conf.numpy()), pixels=0.05
        )
    with pytest.raises(CamtrailError, match=r"image_size: .* takes pictures of 384 pixels alone"):
        detector(weights.with_suffix(".onnx"), image_size=640)


def test_weights_are_exported_once_for_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: list[Image]
) -> None:
    monkeypatch.setattr(exported, "EXPORTS", tmp_path / "exports")
    left = tmp_path / "exports" / f"{PARTIAL}killed"
    left.mkdir(parents=True)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    first = exported.exported_once(config.DEMO_DETECTOR)
    assert first is not None
    assert not left.exists()
    threads = torch.get_num_threads()
    torch.set_num_threads(before)
    assert threads == 3
    written = first.stat().st_mtime_ns
    assert exported.exported_once(config.DEMO_DETECTOR) == first
    assert first.stat().st_mtime_ns == written
    assert len(detector(config.DEMO_DETECTOR).detect(frames[-3:])) == 3


def test_without_an_export_the_weights_run_in_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: list[Image]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(exported, "EXPORTS", tmp_path / "file" / "exports")
    plain = detector(config.DEMO_DETECTOR)
    assert isinstance(plain._network, TorchNetwork)
    assert len(plain.detect(frames[-3:])) == 3
