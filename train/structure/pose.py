"""A small pose network, trained from random weights on simulated people."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.simulate import Crop, CropOptions, simulated_crops
from pipeline.simulate.skeleton import JOINTS
from train.data.crops import drawn
from train.data.transforms import another_camera
from train.errors import TrainError
from train.precision import has_fast_bf16
from train.structure.keypoints import OwnPose, as_input
from train.structure.pose_network import CELL, SPEC, PoseNetwork, bells, mean_places, save_pose

POSE = "pose.safetensors"
_CAMERAS, _TESTED = 8, 20  # cameras; people that it is measured on
_NEAR, _NEARISH = 0.05, 0.1  # of the crop's height, within which a keypoint counts as found
_BATCH, _RATE, _WARM = 32, 2e-3, 0.05  # images; highest learning rate; share of steps up to it
_ZOOM, _SHIFT, _TURN = 0.15, 0.08, 10.0  # at most: share of size, share of size, degrees
_WIDE = 1.0  # cells of a map: standard deviation of what it is to be
_OTHER = {"left": "right", "right": "left"}  # in a mirror
MIRRORED = [JOINTS.index(" ".join(_OTHER.get(w, w) for w in name.split())) for name in JOINTS]

FloatArray = npt.NDArray[np.floating[Any]]
Image = npt.NDArray[np.uint8]


class Example(NamedTuple):
    """A picture to learn from: RGB uint8 128 x 64, and its joints (17, 2) in pixels of it."""

    image: Image
    points: FloatArray


def train_pose(out: Path, seed: int, people: int, epochs: int, command: str = "") -> dict[str, Any]:
    """Render people, train, write ``out/pose.safetensors`` and ``out/pose.json``.

    The last epoch is what is kept; other people are looked at once, after the training.

    Args:
        out: folder of the run; must be new or empty.
        seed: of people, cameras, weights and order.
        people: to learn from, at least 4, each seen twice by 8 cameras.
        epochs: passes over them.
        command: noted in ``pose.json``.

    Returns:
        What ``pose.json`` holds: how it was made, and on crops of other people the shares of the
        joints in the picture that were found within 5 and 10 % of the crop's height, and the
        median distance as a share of it.

    Raises:
        TrainError: the folder is not empty, or a number is impossible.
    """
    if people < 4 or epochs < 1:
        raise TrainError("a pose model needs at least 4 people and 1 epoch")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: exists and is not empty; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    learnt: list[Crop] = []
    tested: list[Crop] = []
    for crop in simulated_crops(CropOptions(seed, people, _TESTED, _CAMERAS, per_camera=2)):
        (learnt if crop.split == "train" else tested).append(crop)
    start = time.monotonic()
    network = _fit(learnt, seed, epochs)
    result = {
        "command": command,
        "seed": seed,
        "people": people,
        "crops": len(learnt),
        "epochs": epochs,
        "seconds": round(time.monotonic() - start, 1),
        "held_out": measure(network, tested),
    }
    save_pose(out / POSE, network)
    (out / "pose.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def _fit(crops: Sequence[Crop], seed: int, epochs: int) -> PoseNetwork:
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = PoseNetwork()
    network.prior.data = _expected(crops)
    network.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=0.02)
    steps = -(-len(crops) // _BATCH) * epochs
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step / steps))
    for epoch in range(1, epochs + 1):
        start, sums = time.monotonic(), 0.0
        order = torch.randperm(len(crops)).tolist()
        for first in range(0, len(order), _BATCH):
            places = order[first : first + _BATCH]
            examples = [changed(crops[i], epoch << 32 | seed << 16 ^ i) for i in places]
            images = as_input([example.image for example in examples]).to(device)
            points = torch.from_numpy(np.stack([e.points for e in examples])).float().to(device)
            with torch.autocast(device, torch.bfloat16, enabled=has_fast_bf16()):
                found = network(images)
            loss = _loss(found.maps, found.inside, points)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()
            sums += loss.item() * len(places)
        seconds = time.monotonic() - start
        said = f"epoch {epoch}/{epochs}  loss {sums / len(crops):.3f}  {seconds:.0f} s"
        print(said, file=sys.stderr, flush=True)
    return network.eval()


def _expected(crops: Sequence[Crop]) -> Tensor:
    """Maps (17, 32, 16) of where joints are on the whole, which the network begins with."""
    size = np.array([SPEC.width, SPEC.height])
    shares = np.stack([c.joints[:, :2] / c.image.shape[1::-1] for c in crops]) * size
    mirrored = (shares * (-1, 1) + (SPEC.width, 0))[:, MIRRORED]
    points = torch.from_numpy(np.concatenate([shares, mirrored]))
    return bells(points.mean(0), points.std(0).clamp(min=CELL)).float()


def _share(done: float) -> float:
    """Of the highest learning rate, when a share of all steps is done."""
    return min(done / _WARM + 0.02, 0.5 + 0.5 * math.cos(math.pi * done))


def _loss(maps: Tensor, inside: Tensor, points: Tensor) -> Tensor:
    """How far maps (N, 17, H, W) are from a Gaussian about the joints (N, 17, 2, in pixels of the
    input) that lie in the picture, their means from these, and ``inside`` (N, 17) from whether they
    do."""
    size = torch.tensor([SPEC.width, SPEC.height], device=points.device)
    seen = ((points >= 0) & (points < size)).all(dim=2)
    told = F.binary_cross_entropy_with_logits(inside, seen.float())
    wide = torch.full_like(points, _WIDE * CELL)
    wanted = bells(points, wide).flatten(2).softmax(dim=2)
    apart = -(wanted * maps.flatten(2).log_softmax(dim=2)).sum(dim=2)
    away = (mean_places(maps) * size - points).abs().sum(dim=2)
    return told + ((apart + away / CELL) * seen).sum() / seen.sum().clamp(min=1)


def changed(crop: Crop, seed: int) -> Example:
    """The crop at the network's size, turned, moved, mirrored and in other colours at random."""
    height, width = crop.image.shape[:2]
    with drawn(seed):
        mirror, *chance = torch.rand(6).tolist()
        zoom, right, down, turn = (2 * share - 1 for share in chance[:4])
        image = another_camera(crop.image)
    scale = 1 + _ZOOM * zoom
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), _TURN * turn, scale)
    matrix[:, 2] += (_SHIFT * right * width, _SHIFT * down * height)
    matrix = np.diag([SPEC.width / width, SPEC.height / height]) @ matrix
    between = matrix.copy()  # OpenCV counts from the middle of the first pixel, not its corner
    between[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    size, border = (SPEC.width, SPEC.height), cv2.BORDER_REPLICATE
    moved = cv2.warpAffine(image, between, size, flags=cv2.INTER_LINEAR, borderMode=border)
    points = crop.joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if mirror < 0.5:
        moved = np.ascontiguousarray(moved[:, ::-1])
        points = points[MIRRORED] * (-1, 1) + (SPEC.width, 0)
    return Example(np.asarray(moved, np.uint8), points)


def measure(network: PoseNetwork, crops: Sequence[Crop]) -> dict[str, float]:
    """See `train_pose`."""
    errors = []
    found = OwnPose(network).find([crop.image for crop in crops])
    for crop, points in zip(crops, found, strict=True):
        away = np.linalg.norm(points[:, :2] - crop.joints[:, :2], axis=1)
        errors.append((away / crop.image.shape[0])[_inside(crop)])
    distances = np.concatenate(errors)
    return {
        "crops": len(crops),
        "joints": len(distances),
        "within 5 %": round(float((distances <= _NEAR).mean()), 4),
        "within 10 %": round(float((distances <= _NEARISH).mean()), 4),
        "median": round(float(np.median(distances)), 4),
    }


def _inside(crop: Crop) -> npt.NDArray[np.bool_]:
    height, width = crop.image.shape[:2]
    x, y = crop.joints[:, 0], crop.joints[:, 1]
    return np.asarray((x >= 0) & (x < width) & (y >= 0) & (y < height))
