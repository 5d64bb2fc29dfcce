"""Draws a posed body as seen from any side: per-pixel shading with a depth buffer."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, ceil, cos, floor, hypot, pi, sin

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.simulate.body import Part, Point

FINE_BELOW = 80.0  # pixels a metre; smaller figures are drawn at twice the size and shrunk


@dataclass(frozen=True)
class Look:
    """How the figure is seen.

    `yaw`: heading in radians, clockwise from "walks straight away from the camera".
    `elevation`: radians by which the camera looks down on the figure.
    `scale`: pixels a metre. `lean`: pixels to the right per pixel of height (wide lenses).
    `light`: -1 (from the left) to 1 (from the right).
    """

    yaw: float
    elevation: float
    scale: float
    lean: float = 0.0
    light: float = 0.3


@dataclass(frozen=True)
class Sprite:
    """`colour` (h, w, 3) uint8 BGR premultiplied by `alpha` (h, w) uint8; `x`, `y` its top left
    corner in pixels of the frame."""

    colour: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.uint8]
    x: int
    y: int


@dataclass(frozen=True)
class _Flat:
    """A part on the image plane, in supersampled pixels; `near` grows towards the camera."""

    x0: float
    y0: float
    near0: float
    x1: float
    y1: float
    near1: float
    r0: float
    r1: float
    thick0: float
    thick1: float
    cap0: float
    cap1: float
    turn: float
    texture: npt.NDArray[np.uint8]


def draw_figure(parts: list[Part], look: Look, foot: tuple[float, float]) -> Sprite:
    """Renders the parts with the ground point between the feet at pixel `foot` (x, y)."""
    ss = 2 if look.scale < FINE_BELOW else 1
    flats = [_project(part, look, foot, ss) for part in parts]
    reach = [max(f.r0, f.r1, f.cap0, f.cap1) for f in flats]
    left = floor(min(min(f.x0, f.x1) - r for f, r in zip(flats, reach, strict=True)) / ss) - 1
    top = floor(min(min(f.y0, f.y1) - r for f, r in zip(flats, reach, strict=True)) / ss) - 1
    right = ceil(max(max(f.x0, f.x1) + r for f, r in zip(flats, reach, strict=True)) / ss) + 1
    bottom = ceil(max(max(f.y0, f.y1) + r for f, r in zip(flats, reach, strict=True)) / ss) + 1
    shape = ((bottom - top) * ss, (right - left) * ss)
    colour = np.zeros((*shape, 3), np.uint8)
    depth = np.full(shape, -np.inf, np.float32)
    for flat, r in zip(flats, reach, strict=True):
        _paint(flat, r, look.light, colour, depth, left * ss, top * ss)
    alpha = np.where(np.isfinite(depth), np.uint8(255), np.uint8(0))
    size = (right - left, bottom - top)
    return Sprite(
        np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8),
        np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.uint8),
        left,
        top,
    )


def place(
    point: Point, look: Look, foot: tuple[float, float], ss: int = 1
) -> tuple[float, float, float]:
    """Where a point of the body is seen: pixels to the right and down, and pixels towards the
    camera, `ss` times as many as the look has; the ground between the feet is at pixel `foot`."""
    s = look.scale * ss
    cy, sy, ce, se = cos(look.yaw), sin(look.yaw), cos(look.elevation), sin(look.elevation)
    x, y, z = point
    across, away = x * cy + y * sy, y * cy - x * sy
    up = z * ce + away * se
    return (
        foot[0] * ss + s * (across + look.lean * up),
        foot[1] * ss - s * up,
        s * (z * se - away * ce),
    )


def _project(part: Part, look: Look, foot: tuple[float, float], ss: int) -> _Flat:
    s = look.scale * ss
    cy, sy, ce, se = cos(look.yaw), sin(look.yaw), cos(look.elevation), sin(look.elevation)

    def radius(axes: tuple[float, float]) -> float:
        return max(0.6, s * hypot(axes[0] * cy, axes[1] * sy))

    def thickness(axes: tuple[float, float]) -> float:
        return s * hypot(axes[0] * sy, axes[1] * cy)

    a, b = part.top_axes
    return _Flat(
        *place(part.top, look, foot, ss),
        *place(part.bottom, look, foot, ss),
        radius(part.top_axes),
        radius(part.bottom_axes),
        thickness(part.top_axes),
        thickness(part.bottom_axes),
        # Seen from above, the flat top of a wide part shows: the cap grows with the elevation.
        s * part.caps[0] * ce + thickness(part.top_axes) * se + 0.3,
        s * part.caps[1] * ce + thickness(part.bottom_axes) * se + 0.3,
        atan2(b * sy, a * cy),
        part.texture,
    )


def _paint(
    f: _Flat,
    reach: float,
    light: float,
    colour: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    left: int,
    top: int,
) -> None:
    x0, x1 = int(min(f.x0, f.x1) - reach) - left, int(max(f.x0, f.x1) + reach) + 2 - left
    y0, y1 = int(min(f.y0, f.y1) - reach) - top, int(max(f.y0, f.y1) + reach) + 2 - top
    x0, y0 = max(0, x0), max(0, y0)
    x1, y1 = min(depth.shape[1], x1), min(depth.shape[0], y1)
    dx = np.arange(x0, x1, dtype=np.float32)[None, :] + np.float32(left + 0.5 - f.x0)
    dy = np.arange(y0, y1, dtype=np.float32)[:, None] + np.float32(top + 0.5 - f.y0)
    length = max(1e-3, hypot(f.x1 - f.x0, f.y1 - f.y0))
    ux, uy = (f.x1 - f.x0) / length, (f.y1 - f.y0) / length
    along = dx * np.float32(ux) + dy * np.float32(uy)
    across = dx * np.float32(uy) - dy * np.float32(ux)
    share = np.clip(along * np.float32(1 / length), 0, 1)
    t = across / (share * np.float32(f.r1 - f.r0) + np.float32(f.r0))
    above = along * np.float32(-1 / f.cap0)
    below = (along - np.float32(length)) / np.float32(f.cap1)
    over = np.maximum(np.maximum(above, below), 0)
    inner = 1 - t * t - over * over
    bulge = np.sqrt(np.maximum(inner, 0))
    thick = share * np.float32(f.thick1 - f.thick0) + np.float32(f.thick0)
    near = share * np.float32(f.near1 - f.near0) + np.float32(f.near0) + bulge * thick
    window = depth[y0:y1, x0:x1]
    hit = (inner > 0) & (near > window)
    if not hit.any():
        return
    window[hit] = near[hit]
    t, bulge = t[hit], bulge[hit]
    rows, columns = f.texture.shape[:2]
    shade = 0.60 + 0.34 * bulge + np.float32(0.16 * light) * t - 0.10 * over[hit]
    if rows == 1:
        paint = f.texture[0, 0].astype(np.float32)[None, :] * shade[:, None]
    else:
        full = f.cap0 + length + f.cap1
        row = ((along[hit] + np.float32(f.cap0)) * np.float32(rows / full)).astype(np.intp)
        angle = np.float32(pi - f.turn) - np.arcsin(np.clip(t, -1, 1))
        column = (angle * np.float32(columns / (2 * pi))).astype(np.intp) % columns
        paint = f.texture[np.clip(row, 0, rows - 1), column] * shade[:, None]
    colour[y0:y1, x0:x1][hit] = np.minimum(paint, 255).astype(np.uint8)
