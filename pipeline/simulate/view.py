"""Where a camera hangs and what it sees of the ground: a pinhole above a plane."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, atan2, cos, sin

import numpy as np


@dataclass(frozen=True)
class View:
    """A pinhole camera at (0, 0, height) looking along +Y, tilted down by `tilt` radians.

    Ground coordinates are metres: X to the right, Y away from the camera, Z up. People walk
    between `near` and `far`; a wall closes the view at `wall`.
    """

    width: int
    height: int
    mount: float
    tilt: float
    focal: float
    near: float
    far: float
    wall: float

    def project(self, x: float, y: float, z: float = 0.0) -> tuple[float, float]:
        """Ground coordinates (metres) to pixels. Points must lie before the camera."""
        drop = self.mount - z
        depth = max(0.1, y * cos(self.tilt) + drop * sin(self.tilt))
        down = drop * cos(self.tilt) - y * sin(self.tilt)
        return (
            self.width / 2 + self.focal * x / depth,
            self.height / 2 + self.focal * down / depth,
        )

    def half_width(self, y: float) -> float:
        """Metres from the middle to the frame's edge at distance `y`, at hip height."""
        depth = y * cos(self.tilt) + (self.mount - 0.9) * sin(self.tilt)
        return self.width / 2 * depth / self.focal

    def elevation(self, x: float, y: float) -> float:
        """Radians by which the camera looks down on a person's middle at (x, y)."""
        return atan2(self.mount - 0.9, float(np.hypot(x, y)))


def sample_view(rng: np.random.Generator, width: int, height: int, facing: bool = False) -> View:
    """A plausible camera: people of about 60-260 pixels (of 360) from the far to the near end.

    `facing` leaves room for a second camera on the opposite wall of the same ground.
    """
    mount = float(rng.uniform(2.3, 5.0))
    focal = float(rng.uniform(0.72, 1.25)) * width
    size = float(rng.uniform(105, 170)) * height / 360
    if facing:
        size = float(rng.uniform(95, 120)) * height / 360
    middle = focal * 1.7 / size
    near, far = middle * 0.68, middle * 1.42
    if facing:
        near, far = middle * 0.75, middle * 1.25
    tilt = atan((mount - 0.95) / middle) + float(rng.uniform(-0.02, 0.05))
    wall = near + far if facing else far + float(rng.uniform(0.8, 3.0))
    return View(width, height, mount, tilt, focal, near, far, wall)
