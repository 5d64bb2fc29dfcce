"""A body of ellipsoids about 17 joints, turned about its own vertical axis and drawn.

It stands in for a body mesh: no licensed model is needed. Joints are those of COCO's keypoints
(`pipeline.simulate.skeleton.JOINTS` names them), in pixels: x to the right, y down, z towards the
camera; projection is orthographic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from train.structure.folder import TURNS, Map

FloatArray = npt.NDArray[np.floating[Any]]

# Lengths and half widths as shares of the body's height; adults differ by a tenth or so.
TORSO, THIGH, SHANK, UPPER_ARM, FOREARM = 0.272, 0.245, 0.245, 0.177, 0.15
SHOULDER, HIP, HEAD = 0.112, 0.05, 0.145
LEAN = 0.044  # of the trunk's length, by which an upright body's shoulders are before its hips

LEFT_EAR, RIGHT_EAR, LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP = 3, 4, 5, 6, 11, 12
ARMS = ((5, 7, 9), (6, 8, 10))  # shoulder, elbow, wrist: left, right
LEGS = ((11, 13, 15), (12, 14, 16))  # hip, knee, ankle
_DARKEST = 0.1  # the back of the body, which must still differ from nothing


@dataclass(frozen=True)
class Frame:
    """How a body stands.

    Attributes:
        height: of the body in pixels.
        origin: (3,) middle of the hips.
        up: (3,) of length 1, the axis about which it turns.
        left: (3,) of length 1, the person's own left.
        forward: (3,) of length 1, where the chest points to.
    """

    height: float
    origin: FloatArray
    up: FloatArray
    left: FloatArray
    forward: FloatArray


@dataclass(frozen=True)
class _Ellipsoid:
    """Attributes: centre (3,); axes (3, 3), its half axes as rows."""

    centre: FloatArray
    axes: FloatArray


def draw_turned(joints: FloatArray, image: tuple[int, int], size: tuple[int, int]) -> list[Map]:
    """The body as it stands and turned to its left in steps of 45 degrees: uint8 maps.

    The body is lit from its own front, so that front and back are told apart.

    Args:
        joints: (17, 3).
        image: height and width in pixels of the image that the joints are in.
        size: height and width of the maps, which show the whole image.
    """
    frame = stand(joints)
    return [_draw(turned(joints, frame, degrees), image, size) for degrees in TURNS]


def stand(joints: FloatArray) -> Frame:
    """How the body stands; shoulders and hips at one place are taken to face the camera."""
    hips, shoulders = joints[[LEFT_HIP, RIGHT_HIP]], joints[[LEFT_SHOULDER, RIGHT_SHOULDER]]
    origin = hips.mean(axis=0)
    spine = _unit(shoulders.mean(axis=0) - origin, (0.0, -1.0, 0.0))
    across = shoulders[0] - shoulders[1] + hips[0] - hips[1]
    left = _unit(across - (across @ spine) * spine, (1.0, 0.0, 0.0))
    # x, y and z are a left-handed system: y points down.
    up = _unit(spine - LEAN * np.cross(spine, left), spine)
    lengths = [np.linalg.norm(shoulders.mean(axis=0) - origin) / TORSO]
    for hip, knee, ankle in LEGS:
        lengths.append(np.linalg.norm(joints[knee] - joints[hip]) / THIGH)
        lengths.append(np.linalg.norm(joints[ankle] - joints[knee]) / SHANK)
    height = max(float(np.median(lengths)), 1.0)
    return Frame(height, origin, up, left, np.cross(up, left))


def turned(joints: FloatArray, frame: Frame, degrees: float) -> FloatArray:
    """The joints when the body has turned to its left about its vertical axis."""
    local = (joints - frame.origin) @ np.stack([frame.left, frame.forward, frame.up]).T
    angle = np.deg2rad(degrees)
    left = local[:, 0] * np.cos(angle) + local[:, 1] * np.sin(angle)
    forward = local[:, 1] * np.cos(angle) - local[:, 0] * np.sin(angle)
    moved = left[:, None] * frame.left + forward[:, None] * frame.forward
    return np.asarray(frame.origin + moved + local[:, 2:] * frame.up)


def _draw(joints: FloatArray, image: tuple[int, int], size: tuple[int, int]) -> Map:
    frame = stand(joints)
    scale_y, scale_x = image[0] / size[0], image[1] / size[1]
    y = (np.arange(size[0]) + 0.5) * scale_y
    x = (np.arange(size[1]) + 0.5) * scale_x
    depth, shade = np.full(size, -np.inf), np.zeros(size)
    for part in _parts(joints, frame):
        reach = np.linalg.norm(part.axes, axis=0)
        rows = _within(y, part.centre[1], reach[1])
        columns = _within(x, part.centre[0], reach[0])
        dy, dx = y[rows, None] - part.centre[1], x[None, columns] - part.centre[0]
        _paint(part, dx, dy, frame.forward, depth[rows, columns], shade[rows, columns])
    return np.round(255 * shade).astype(np.uint8)


def _paint(
    part: _Ellipsoid,
    dx: FloatArray,
    dy: FloatArray,
    light: FloatArray,
    depth: FloatArray,
    shade: FloatArray,
) -> None:
    """Draw into ``depth`` and ``shade``: the surface is where p' A p = 1."""
    lengths = np.square(part.axes).sum(axis=1)
    a = np.einsum("k,ki,kj->ij", 1 / np.square(lengths), part.axes, part.axes)
    b = a[0, 2] * dx + a[1, 2] * dy
    c = a[0, 0] * dx * dx + 2 * a[0, 1] * dx * dy + a[1, 1] * dy * dy - 1
    inside = b * b - a[2, 2] * c
    z = (np.sqrt(np.maximum(inside, 0)) - b) / a[2, 2]
    hit = (inside > 0) & (part.centre[2] + z > depth)
    dx, dy = np.broadcast_arrays(dx, dy)
    normal = np.stack([dx[hit], dy[hit], z[hit]], axis=1) @ a
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    depth[hit] = part.centre[2] + z[hit]
    shade[hit] = _DARKEST + (1 - _DARKEST) * (1 + normal @ light) / 2


def _within(places: FloatArray, centre: float, reach: float) -> slice:
    first, last = np.searchsorted(places, [centre - reach, centre + reach])
    return slice(int(first), int(last))


def _parts(joints: FloatArray, frame: Frame) -> list[_Ellipsoid]:
    h = frame.height
    shoulders = joints[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=0)
    head = joints[[LEFT_EAR, RIGHT_EAR]].mean(axis=0)
    spine = shoulders - frame.origin
    parts = [
        _upright(head, frame, 0.046 * h, 0.058 * h, 0.07 * h),
        _limb(shoulders, head, 0.032 * h),
        _upright(frame.origin + 0.66 * spine, frame, 0.112 * h, 0.07 * h, 0.13 * h),
        _upright(frame.origin + 0.15 * spine, frame, 0.092 * h, 0.072 * h, 0.105 * h),
    ]
    for shoulder, elbow, wrist in ARMS:
        hand = joints[wrist] + 0.05 * h * _unit(joints[wrist] - joints[elbow], -frame.up)
        parts.append(_limb(joints[shoulder], joints[elbow], 0.03 * h))
        parts.append(_limb(joints[elbow], hand, 0.025 * h))
    for hip, knee, ankle in LEGS:
        toe = joints[ankle] + 0.1 * h * frame.forward - 0.015 * h * frame.up
        parts.append(_limb(joints[hip], joints[knee], 0.05 * h))
        parts.append(_limb(joints[knee], joints[ankle], 0.036 * h))
        parts.append(_limb(joints[ankle] - 0.015 * h * frame.up, toe, 0.028 * h))
    return parts


def _upright(
    centre: FloatArray, frame: Frame, left: float, forward: float, up: float
) -> _Ellipsoid:
    return _Ellipsoid(centre, np.stack([left * frame.left, forward * frame.forward, up * frame.up]))


def _limb(start: FloatArray, end: FloatArray, radius: float) -> _Ellipsoid:
    along = _unit(end - start, (0.0, 1.0, 0.0))
    across = _unit(np.cross(along, (0.0, 0.0, 1.0)), (1.0, 0.0, 0.0))
    half = np.linalg.norm(end - start) / 2 + radius
    axes = np.stack([half * along, radius * across, radius * np.cross(along, across)])
    return _Ellipsoid((start + end) / 2, axes)


def _unit(vector: FloatArray, otherwise: Any) -> FloatArray:
    """Of length 1; ``otherwise`` where there is no direction."""
    length = np.linalg.norm(vector)
    return np.asarray(vector / length if length > 1e-9 else otherwise, np.float64)
