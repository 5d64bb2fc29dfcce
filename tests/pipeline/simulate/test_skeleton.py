"""Joints lie in the body that is drawn, and where a crop shows them."""

from __future__ import annotations

from math import pi
from pathlib import Path

import numpy as np
import pytest

from pipeline.simulate import CropOptions, simulate_crops, simulated_crops
from pipeline.simulate.body import pose
from pipeline.simulate.figure import Look, draw_figure, place
from pipeline.simulate.garments import dress
from pipeline.simulate.people import sample_people
from pipeline.simulate.skeleton import JOINTS, joints

FOOT = (100.0, 300.0)


@pytest.mark.parametrize("yaw", [0.0, 0.7, pi / 2, pi, 4.1, -pi / 2])
def test_joints_are_in_the_figure(yaw: float) -> None:
    """Of several people at all moments of their gait, seen from above and by a wide lens."""
    look = Look(yaw, elevation=0.3, scale=110, lean=0.1)
    for person in sample_people(5, 4):
        for phase in (0.1, 0.35, 0.6, 0.85):
            sprite = draw_figure(pose(person, dress(person), phase, 1.0), look, FOOT)
            for name, point in zip(JOINTS, joints(person, phase, 1.0), strict=True):
                x, y, _ = place(point, look, FOOT)
                column, row = round(x) - sprite.x, round(y) - sprite.y
                around = sprite.alpha[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
                assert around.any(), (name, yaw, phase)


def test_left_is_the_persons_own() -> None:
    person = sample_people(5, 1)[0]
    points = dict(zip(JOINTS, joints(person, 0.2, 1.0), strict=True))
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert points[f"left {part}"][0] < 0 < points[f"right {part}"][0]
    nose, ears = points["nose"], points["left ear"]
    assert nose[1] > ears[1]  # forward of them
    assert points["nose"][2] < person.height
    facing = Look(pi, 0.0, 100)
    x = {name: place(point, facing, FOOT)[0] for name, point in points.items()}
    assert x["right shoulder"] < x["nose"] < x["left shoulder"]
    near = {name: place(point, facing, FOOT)[2] for name, point in points.items()}
    assert near["nose"] > near["left ear"]


def test_crops_bring_their_joints(tmp_path: Path) -> None:
    options = CropOptions(seed=6, train_identities=3, test_identities=1, cameras=1, per_camera=2)
    crops = list(simulated_crops(options))
    inside = []
    for crop in crops:
        height, width = crop.image.shape[:2]
        x, y = crop.joints[:, 0], crop.joints[:, 1]
        inside.append((x > 0) & (x < width) & (y > 0) & (y < height))
        assert y[0] < y[11] < y[15]
    assert np.mean(inside) > 0.85  # a frame's edge cuts some people
    simulate_crops(tmp_path / "crops", options)
    with np.load(tmp_path / "crops" / "joints.npz") as kept:
        names, points = kept["names"].tolist(), kept["joints"]
    files = {path.stem for path in (tmp_path / "crops").rglob("*.jpg")}
    assert set(names) == files
    np.testing.assert_array_equal(points, np.stack([crop.joints for crop in crops]))
