"""What privacy costs: encrypted crops against plain ones, hidden faces against clear ones.

``python -m tests.benchmarks.privacy``
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from pipeline.camera.crops import Crop, thumbnail
from pipeline.config import Hidden, Privacy
from pipeline.keyring import Keyring
from pipeline.privacy.regions import hide, regions
from pipeline.records import Path as TrackPath
from pipeline.records import TrackletUpdate
from pipeline.simulate import CropOptions, simulated_crops
from pipeline.store.crops import write_crop

ROUNDS = 20
WRITTEN = 100  # crops a round


def in_turn(works: dict[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Microseconds of processor time of one of each, the least of some rounds."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = time.process_time()
            for _ in range(times):
                work()
            least[name] = min(least[name], (time.process_time() - began) / times * 1e6)
    return least


def writing(folder: Path, picture: bytes, keyring: Keyring) -> Callable[[], object]:
    """Writes a crop under a name of its own, as the matcher does."""
    empty = TrackPath.of([])
    update = TrackletUpdate(
        "gate", "R", 1, 1, 1e9, 1e9, empty, 1, 1.0, None, "f", picture, 1.0, ended=False
    )
    numbers = count(1)
    return lambda: write_crop(folder, replace(update, seq=next(numbers)), picture, keyring)


def drawing(picture: np.ndarray, blur: Hidden) -> Callable[[], object]:
    """Makes the JPEG of a crop, as the worker does."""
    privacy = Privacy(blur=blur)  # type: ignore[call-arg]
    crop = Crop(picture, 1.0, True, faces=((0.0, 0.0, 1.0, 0.25),))
    return lambda: thumbnail(crop, privacy)


def main() -> None:
    options = CropOptions(seed=7420, train_identities=1, test_identities=4, cameras=1, per_camera=1)
    crop = max((c.image[..., ::-1] for c in simulated_crops(options)), key=lambda c: c.shape[0])
    picture = cv2.resize(crop, (100, 256), interpolation=cv2.INTER_CUBIC)
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    with tempfile.TemporaryDirectory() as folder:
        keyring = Keyring([bytes(32)])
        took = in_turn(
            {
                "plain": writing(Path(folder, "plain"), jpeg, Keyring()),
                "encrypted": writing(Path(folder, "encrypted"), jpeg, keyring),
            },
            WRITTEN,
        )
    _tell(f"writing a crop of {len(jpeg) / 1000:.1f} kB", took, "plain")
    blurs: tuple[Hidden, ...] = ("none", "faces", "persons")
    took = in_turn({blur: drawing(picture, blur) for blur in blurs}, WRITTEN)
    _tell("making a crop's JPEG", took, "none")
    frame = np.random.default_rng(0).integers(0, 256, (540, 960, 3), np.uint8)
    boxes = np.array([[100 + 150 * n, 100, 170 + 150 * n, 300] for n in range(5)], np.float32)
    took = in_turn(
        {
            "a frame's JPEG": lambda: cv2.imencode(".jpg", frame),
            **{blur: _hiding(frame, boxes, blur) for blur in blurs[1:]},
        },
        20,
    )
    _tell("hiding five people in a frame of 960 x 540", took, "a frame's JPEG")


def _hiding(frame: np.ndarray, boxes: np.ndarray, blur: Hidden) -> Callable[[], object]:
    return lambda: hide(frame, regions(boxes, blur), blur)


def _tell(what: str, took: dict[str, float], beside: str) -> None:
    print(what)
    for name, micros in took.items():
        print(f"  {name}: {micros:.0f} us, ratio {micros / took[beside]:.2f}")


if __name__ == "__main__":
    main()
