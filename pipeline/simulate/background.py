"""Paints what a camera sees without people: floor, wall, furniture."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.simulate.view import View

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

FLOORS = ("tiles", "planks", "asphalt", "paving", "carpet")
WALLS = ("plaster", "brick", "glass", "shelves", "panels")


@dataclass(frozen=True)
class Furniture:
    """A box on the ground (metres) that people walk around: planter, bench, pillar, counter."""

    kind: str
    x: float
    y: float
    half_width: float
    half_depth: float
    height: float
    colour: tuple[int, int, int]

    def holds(self, x: float, y: float, margin: float) -> bool:
        """Whether a point lies on the box or within `margin` metres of it."""
        inside_x = abs(x - self.x) < self.half_width + margin
        return inside_x and abs(y - self.y) < self.half_depth + margin


@dataclass(frozen=True)
class Background:
    """`image` (h, w, 3) uint8 BGR; `depth` (h, w) float32: how far the furniture at a pixel
    stands (metres along Y), infinity where there is none."""

    image: Image
    depth: Floats


def sample_furniture(rng: np.random.Generator, view: View, number: int) -> list[Furniture]:
    """Pieces spread over the walking area, the higher ones rather at its sides."""
    pieces = []
    for _ in range(number):
        kind = str(rng.choice(["planter", "bench", "pillar", "counter", "bin"]))
        wide, deep, high = {
            "planter": (0.45, 0.3, 0.55),
            "bench": (0.8, 0.22, 0.45),
            "pillar": (0.2, 0.2, 4.5),
            "counter": (0.8, 0.3, 1.05),
            "bin": (0.22, 0.22, 0.85),
        }[kind]
        y = float(rng.uniform(view.near * 0.95, (view.near + view.far) / 2))
        reach = view.half_width(y)
        x = float(rng.uniform(0.25, 0.85)) * reach * float(rng.choice([-1, 1]))
        shade = rng.uniform(50, 190) * rng.uniform(0.75, 1.1, 3)
        blue, green, red = (int(c) for c in np.clip(shade, 20, 230))
        pieces.append(Furniture(kind, x, y, wide, deep, high, (blue, green, red)))
    return pieces


def paint_background(
    rng: np.random.Generator, view: View, furniture: list[Furniture]
) -> Background:
    """Floor and wall by casting a ray through every pixel, then the furniture from far to near."""
    image = _cast(rng, view)
    depth = np.full((view.height, view.width), np.inf, np.float32)
    for piece in sorted(furniture, key=lambda f: -f.y):
        _paint_furniture(rng, view, piece, image, depth)
    return Background(image, depth)


def _cast(rng: np.random.Generator, view: View) -> Image:
    u = (np.arange(view.width, dtype=np.float32) + 0.5 - view.width / 2) / view.focal
    v = (np.arange(view.height, dtype=np.float32) + 0.5 - view.height / 2) / view.focal
    forward = cos(view.tilt) - v * sin(view.tilt)  # Y for a unit of depth
    down = sin(view.tilt) + v * cos(view.tilt)
    with np.errstate(divide="ignore"):
        hit = np.where(down > 1e-4, view.mount / down, np.inf)
    floor_y = hit * forward
    on_floor = floor_y < view.wall
    reach = np.where(on_floor, hit, view.wall / forward)[:, None]
    x = u[None, :] * reach
    y = np.broadcast_to(np.where(on_floor, floor_y, view.wall)[:, None], x.shape)
    z = np.broadcast_to(view.mount - down[:, None] * reach, x.shape)
    floor = _floor(rng, x, y)
    wall = _wall(rng, x, z)
    image = np.where(on_floor[:, None, None], floor, wall)
    # The corner between wall and floor is darker.
    gap = np.minimum(np.abs(y - view.wall), np.where(on_floor[:, None], np.inf, np.abs(z)))
    image *= (1 - 0.35 * np.exp(-gap / 0.35))[..., None]
    image += rng.normal(0, 2.0, image.shape[:2])[..., None]
    smooth = cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.uint8), (0, 0), 0.6)
    return np.asarray(smooth, np.uint8)


def _grain(rng: np.random.Generator, a: Floats, b: Floats, size: float) -> Floats:
    """Smooth noise in [-1, 1] over two coordinates in metres; `size` is that of a blob."""
    white = np.tile(rng.normal(0, 1, (128, 128)).astype(np.float32), (2, 2))
    field = cv2.GaussianBlur(white, (0, 0), 1.5)[64:192, 64:192]  # repeats without a seam
    field = field / np.abs(field).max()
    i, j = (a / size * 2).astype(np.intp) % 128, (b / size * 2).astype(np.intp) % 128
    return np.asarray(field[i, j], np.float32)


def _tone(rng: np.random.Generator, low: float, high: float) -> Floats:
    """A muted colour, BGR."""
    return (rng.uniform(low, high) * rng.uniform(0.86, 1.1, 3)).astype(np.float32)


def _floor(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    kind = str(rng.choice(FLOORS))
    base = _tone(rng, 90, 175)
    light = np.ones_like(x)
    if kind == "tiles":
        size = rng.uniform(0.4, 0.9)
        odd = (np.floor(x / size) + np.floor(y / size)) % 2
        light -= 0.12 * rng.random() * odd
        light[(x / size % 1 < 0.05) | (y / size % 1 < 0.05)] *= 0.8
    elif kind == "planks":
        plank = np.floor(x / 0.22)
        light += 0.10 * np.sin(plank * 12.9898) - 0.15 * (x / 0.22 % 1 < 0.06)
    elif kind == "asphalt":
        base = _tone(rng, 70, 110)
        light += 0.15 * _grain(rng, x, y, 0.08)
        light[np.abs(y - y.mean()) < 0.08] *= 1.5  # a painted line
    elif kind == "paving":
        row = np.floor(y / 0.3)
        light[(y / 0.3 % 1 < 0.08) | ((x / 0.6 + row % 2 * 0.5) % 1 < 0.04)] *= 0.78
        light += 0.08 * np.sin(np.floor(x / 0.6 + row % 2 * 0.5) * 78.2 + row * 37.7)
    light += 0.10 * _grain(rng, x, y, 1.2) + 0.05 * _grain(rng, x, y, 0.15)
    return np.asarray(base * light[..., None], np.float32)


def _wall(rng: np.random.Generator, x: Floats, z: Floats) -> Floats:
    kind = str(rng.choice(WALLS))
    base = _tone(rng, 110, 200)
    light = 1 + 0.05 * _grain(rng, x, z, 1.0)
    wall = base * light[..., None]
    if kind == "brick":
        row = np.floor(z / 0.12)
        joint = (z / 0.12 % 1 < 0.15) | ((x / 0.3 + row % 2 * 0.5) % 1 < 0.06)
        wall = (_tone(rng, 80, 120) * np.array([0.75, 0.85, 1.25], np.float32)) * light[..., None]
        wall[joint] *= 1.3
    elif kind == "glass":
        wall[(z > 0.3) & (z < 2.6)] *= np.float32(rng.uniform(0.45, 0.8))
        wall[(z > 0.3) & (z < 2.6) & (x % 1.4 < 0.07)] = _tone(rng, 40, 90)
    elif kind == "shelves":
        goods = rng.uniform(50, 210, (64, 64, 1)) + rng.normal(0, 25, (64, 64, 3))
        goods = goods.astype(np.float32)
        i, j = np.floor(z / 0.4).astype(np.intp) % 64, np.floor(x / 0.18).astype(np.intp) % 64
        stocked = (z > 0.2) & (z < 2.2) & (z / 0.4 % 1 > 0.12)
        wall[stocked] = 0.55 * goods[i, j][stocked] + 0.3 * wall[stocked]
    elif kind == "panels":
        wall[(x % 1.2 < 0.03) | ((z > 1.0) & (z < 1.06))] *= 0.7
        wall[z < 1.0] *= _tone(rng, 0.6, 0.95)
    for _ in range(int(rng.integers(0, 4))):  # doors and posters
        at, wide = rng.uniform(-6, 6), rng.uniform(0.4, 0.6)
        low, high = (0.0, 2.1) if rng.random() < 0.5 else (1.1, 2.0)
        wall[(np.abs(x - at) < wide + 0.06) & (z < high + 0.06) & (z >= low - 0.06)] *= 0.55
        inside = (np.abs(x - at) < wide) & (z < high) & (z >= low)
        wall[inside] = _tone(rng, 60, 210) * (1 + 0.1 * _grain(rng, x, z, 0.3)[inside])[:, None]
    wall[(z >= 0) & (z < 0.12)] *= 0.7  # skirting board
    return np.asarray(wall, np.float32)


def _paint_furniture(
    rng: np.random.Generator, view: View, piece: Furniture, image: Image, depth: Floats
) -> None:
    left, right = piece.x - piece.half_width, piece.x + piece.half_width
    front, back, high = piece.y - piece.half_depth, piece.y + piece.half_depth, piece.height
    side = left if piece.x > 0 else right
    tops = [(left, front, high), (right, front, high), (right, back, high), (left, back, high)]
    flank = [(side, front, 0), (side, back, 0), (side, back, high), (side, front, high)]
    face = [(left, front, 0), (right, front, 0), (right, front, high), (left, front, high)]
    sides = [(flank, 0.62), (face, 0.85)]
    if high < view.mount:  # else nobody sees the top
        sides.insert(0, (tops, 1.15))
    _contact_shadow(view, piece, image)
    mask = np.zeros(image.shape[:2], np.uint8)
    for corners, light in sides:
        polygon = (np.array([view.project(*c) for c in corners]) * 16).astype(np.int32)
        shade = tuple(min(255.0, c * light) for c in piece.colour)
        cv2.fillPoly(image, [polygon], shade, cv2.LINE_AA, 4)
        cv2.fillPoly(mask, [polygon], 255, cv2.LINE_8, 4)
    if piece.kind == "planter":
        _paint_leaves(rng, view, piece, image, mask)
    depth[mask > 0] = piece.y


def _contact_shadow(view: View, piece: Furniture, image: Image) -> None:
    grown = [(-1.25, -1.3), (1.25, -1.3), (1.25, 1.3), (-1.25, 1.3)]
    corners = [
        view.project(piece.x + a * piece.half_width, piece.y + b * piece.half_depth)
        for a, b in grown
    ]
    shadow = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(shadow, [(np.array(corners) * 16).astype(np.int32)], 110, cv2.LINE_AA, 4)
    dark = cv2.GaussianBlur(shadow, (0, 0), 4)
    image[:] = (image * (1 - dark[..., None] / 255.0)).astype(np.uint8)


def _paint_leaves(
    rng: np.random.Generator, view: View, piece: Furniture, image: Image, mask: Image
) -> None:
    for _ in range(90):
        x = piece.x + rng.normal(0, piece.half_width * 0.5)
        z = piece.height + abs(rng.normal(0, 0.25))
        u, v = view.project(x, piece.y, z)
        size = view.focal / piece.y * rng.uniform(0.03, 0.09)
        axes = (max(1, int(size)), max(1, int(size * 0.4)))
        green = rng.uniform(0.5, 1.2) * np.array([45, 105, 50])
        angle = float(rng.uniform(0, 180))
        centre = (int(u), int(v))
        colour = tuple(float(c) for c in green)
        cv2.ellipse(image, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.ellipse(mask, centre, axes, angle, 0, 360, 255, -1)
