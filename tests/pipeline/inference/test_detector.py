from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.detector import Detector
from pipeline.inference.letterbox import Letterbox
from pipeline.records import Detections, Image
from tests.pipeline.inference.networks import write_detector

SIZE = 160


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def detector(weights: Path, confidence: float = 1e-5, size: int = SIZE) -> Detector:
    return Detector(
        config.Detector(weights=str(weights), confidence=confidence, image_size=size, device="cpu")
    )


def predicted(weights: Path, image: Image, confidence: float, size: int) -> Detections:
    """What ultralytics' own predictor finds."""
    from ultralytics import YOLO

    result = YOLO(weights).predict(
        image, imgsz=size, conf=confidence, iou=0.6, classes=[0], device="cpu", verbose=False
    )[0]
    boxes, confidences = result.boxes.xyxy.numpy(), result.boxes.conf.numpy()
    some = (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)  # less than a pixel is nobody
    return Detections(boxes[some], confidences[some])


def assert_same(found: Detections, wanted: Detections, pixels: float) -> None:
    assert len(found) == len(wanted)
    assert len(found) > 0
    np.testing.assert_allclose(found.confidences, wanted.confidences, atol=2e-3)
    for box in found.boxes:  # equal confidences may come in another order
        assert np.abs(wanted.boxes - box).max(1).min() < pixels


@pytest.mark.parametrize("kind", ["yolov8n.yaml", "yolo26n.yaml"])
@pytest.mark.parametrize("shape", [(96, 160), (160, 70), (200, 333)])
def test_finds_what_ultralytics_finds(tmp_path: Path, kind: str, shape: tuple[int, int]) -> None:
    weights = write_detector(tmp_path / "detector.pt", kind)
    image = noise(*shape)
    found = detector(weights).detect([image])[0]
    assert_same(found, predicted(weights, image, 1e-5, SIZE), pixels=0.05)
    height, width = shape
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2] <= width).all()
    assert (found.boxes[:, 3] <= height).all()


@pytest.mark.realdata
def test_finds_the_people_that_ultralytics_finds(realdata: Path) -> None:
    weights = realdata / "detector" / "yolo11n_deq.pt"
    video = cv2.VideoCapture(str(realdata / "video" / "TUD-Campus.mp4"))
    images = [np.asarray(video.read()[1], np.uint8) for _ in range(3)]
    network = detector(weights, confidence=0.25, size=640)
    found = network.detect(images)
    for image, together in zip(images, found, strict=True):
        assert_same(together, predicted(weights, image, 0.25, 640), pixels=0.5)
        assert_same(together, network.detect([image])[0], pixels=0.5)
        assert 3 <= len(together) <= 9


@pytest.mark.parametrize("names", [("person",), ("cat", "person", "dog")])
def test_suppresses_what_ultralytics_suppresses(tmp_path: Path, names: tuple[str, ...]) -> None:
    network = detector(write_detector(tmp_path / "detector.pt", names=names))
    images = [noise(96, 160, seed) for seed in range(4)]
    assert_suppressed_alike(network, images, 1e-5, names.index("person"), len(names))


@pytest.mark.realdata
@pytest.mark.parametrize("confidence", [0.001, 0.25])
def test_suppresses_real_people_like_ultralytics(realdata: Path, confidence: float) -> None:
    network = detector(realdata / "detector" / "yolo11n_deq.pt", confidence, size=640)
    video = cv2.VideoCapture(str(realdata / "video" / "TUD-Campus.mp4"))
    images = [np.asarray(video.read()[1], np.uint8) for _ in range(5)]
    assert_suppressed_alike(network, images, confidence, 0, 80)


def assert_suppressed_alike(
    network: Detector, images: list[Image], confidence: float, person: int, classes: int
) -> None:
    """The very boxes that ultralytics' own function makes of the same output."""
    from ultralytics.utils.nms import non_max_suppression

    letterbox = network.letterbox(images[0])
    rows = non_max_suppression(
        torch.from_numpy(network.forward(np.stack([letterbox.apply(image) for image in images]))),
        conf_thres=confidence,
        iou_thres=0.6,
        classes=[person],
        nc=classes,
        max_det=300,
    )
    for found, row in zip(network.detect(images), rows, strict=True):
        wanted = letterbox.undo(row.numpy())
        assert len(wanted) > 0
        np.testing.assert_array_equal(found.boxes, wanted.boxes)
        np.testing.assert_array_equal(found.confidences, wanted.confidences)


def test_batches_of_several_sizes_keep_their_order(weights: Path) -> None:
    images = [noise(96, 160, 1), noise(120, 90, 2), noise(96, 160, 3)]
    network = detector(weights)
    for together, image in zip(network.detect(images), images, strict=True):
        assert_same(together, network.detect([image])[0], pixels=0.05)
    assert network.detect([]) == []


def test_a_black_picture_holds_nobody(weights: Path) -> None:
    nobody = detector(weights, confidence=0.9).detect([np.zeros((96, 160, 3), np.uint8)])[0]
    assert nobody.boxes.shape == (0, 4)
    assert nobody.confidences.shape == (0,)


@given(st.integers(8, 3000), st.integers(8, 3000), st.sampled_from([64, 320, 640]))
def test_letterbox_gives_boxes_back(height: int, width: int, size: int) -> None:
    box = Letterbox.fit(height, width, size, 32)
    inside = box.scaled[0] + box.top + box.bottom, box.scaled[1] + box.left + box.right
    assert max(box.scaled) == size
    assert inside[0] % 32 == inside[1] % 32 == 0
    assert max(inside) == size
    corners = [box.left, box.top, box.left + box.scaled[1], box.top + box.scaled[0], 0.5]
    undone = box.undo(np.array([corners], np.float32))
    np.testing.assert_allclose(undone.boxes[0], [0, 0, width, height], atol=1e-2)


def test_letterbox_keeps_the_aspect_ratio_and_pads_with_grey() -> None:
    box = Letterbox.fit(90, 160, 160, 32)
    out = box.apply(np.full((90, 160, 3), 7, np.uint8))
    assert out.shape == (96, 160, 3)
    assert (out[:3] == 114).all()
    assert (out[3:93] == 7).all()
    assert (out[93:] == 114).all()


def test_bad_weights_are_named(tmp_path: Path, weights: Path) -> None:
    text, cut = tmp_path / "text.pt", tmp_path / "cut.pt"
    text.write_text("no weights")
    cut.write_bytes(weights.read_bytes()[:100_000])
    for path in (text, cut):
        with pytest.raises(CamtrailError, match=f"{path.name}: not loadable as ultralytics"):
            detector(path)
    with pytest.raises(CamtrailError, match=r"away\.pt: no such file; set detector\.weights"):
        detector(tmp_path / "away.pt")
    with pytest.raises(CamtrailError, match=r"are a \.pt file of ultralytics, or what"):
        detector(_named(tmp_path / "detector.txt"))
    with pytest.raises(CamtrailError, match=r"yolo99\.pt: no such file, and no official name"):
        Detector(config.Detector(weights="yolo99.pt"))


def test_weights_of_another_kind_are_refused(tmp_path: Path) -> None:
    segments = write_detector(tmp_path / "segments.pt", "yolov8n-seg.yaml")
    with pytest.raises(CamtrailError, match="for the task 'segment'; a detector is needed"):
        detector(segments)
    animals = write_detector(tmp_path / "animals.pt", names=("cat", "dog"))
    with pytest.raises(CamtrailError, match="knows no class 'person', only: cat, dog"):
        detector(animals)
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CamtrailError, match="another library's"):
        detector(tmp_path / "other.pt")


class Trap:
    """What a stranger may have pickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (Path(self.target),)

    target = ""


def test_a_strangers_pickle_is_not_run(tmp_path: Path) -> None:
    trap = Trap()
    Trap.target = str(tmp_path / "caught")
    torch.save({"model": trap}, tmp_path / "trap.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"model": trap}, protocol=2))
    for name in ("trap.pt", "plain.pt"):
        with pytest.raises(CamtrailError):
            detector(tmp_path / name)
    assert not (tmp_path / "caught").exists()


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there_is_named(weights: Path, device: str) -> None:
    with pytest.raises(CamtrailError, match=f"detector.device: '{device}'"):
        Detector(config.Detector(weights=str(weights), device=device))


def test_loading_prints_nothing(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    detector(weights)
    assert capfd.readouterr() == ("", "")


def _named(path: Path) -> Path:
    path.write_bytes(b"x")
    return path
