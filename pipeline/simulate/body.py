"""The walking body: from a person and a gait phase to solid parts in metres."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import NamedTuple

from pipeline.simulate.garments import ROWS, Texture, Wardrobe
from pipeline.simulate.people import Person

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """A tapered elliptic cylinder with rounded ends.

    Points are body coordinates in metres: x to the person's right, y forward, z up from the
    ground; `top` is drawn at the texture's first row. `top_axes` and `bottom_axes` are the half
    widths (across, along the heading); `caps` the lengths by which the ends bulge out.
    """

    top: Point
    bottom: Point
    top_axes: tuple[float, float]
    bottom_axes: tuple[float, float]
    caps: tuple[float, float]
    texture: Texture


class Stance(NamedTuple):
    """How a body stands, from which its parts follow.

    `hip`: metres above the ground. `legs`: hip swing and knee bend (radians) of the right leg and
    the left. `arms`: how far the right arm and the left are in their swing (radians).
    """

    hip: float
    legs: tuple[tuple[float, float], tuple[float, float]]
    arms: tuple[float, float]


def stride(person: Person) -> float:
    """Metres walked in one gait cycle (two steps)."""
    return 0.80 * person.height


def pose(person: Person, wardrobe: Wardrobe, phase: float, effort: float) -> list[Part]:
    """The body at gait `phase` (cycles; only the fraction counts).

    `effort` in [0, 1] scales the swing of the limbs: 0 stands still, 1 walks briskly.
    """
    h, wide, held = person.height, person.girth, stance(person, phase, effort)
    hip = held.hip
    parts: list[Part] = []
    for side, (swing, knee) in zip((1, -1), held.legs, strict=True):
        parts += _leg(person, wardrobe, side, hip, swing, knee)
    parts += _torso(person, wardrobe, hip)
    for side, turn in zip((1, -1), held.arms, strict=True):
        parts += _arm(person, wardrobe, side, hip, turn, effort)
    parts += _head(person, wardrobe, hip)
    if person.bag in ("backpack", "shoulder bag"):
        parts.append(_worn_bag(person, wardrobe, hip))
    if person.bottom in ("skirt", "long skirt"):
        length = 0.22 * h if person.bottom == "skirt" else 0.38 * h
        sway = 0.012 * h * sin(2 * pi * phase) * effort
        hem = (0.094 + 0.02 * effort) * h if person.bottom == "skirt" else 0.115 * h
        parts.append(
            Part(
                (0, 0, hip + 0.03 * h),
                (0, sway, hip - length),
                (0.080 * h * wide, 0.068 * h * wide),
                (hem, hem + 0.035 * h * effort),
                (0.01, 0.012),
                wardrobe.skirt,
            )
        )
    if person.top == "coat":
        parts.append(
            Part(
                (0, 0, hip + 0.10 * h),
                (0, 0, hip - 0.15 * h),
                (0.086 * h * wide, 0.074 * h * wide),
                (0.106 * h * wide**0.5, (0.094 + 0.03 * effort) * h * wide**0.5),
                (0.01, 0.012),
                wardrobe.skirts,
            )
        )
    return parts


def stance(person: Person, phase: float, effort: float) -> Stance:
    """What `pose` is made from; see there."""
    h, turn = person.height, 2 * pi * phase
    legs = (_leg_angles(turn, effort), _leg_angles(turn + pi, effort))
    thigh, shank, ankle = 0.245 * h, 0.245 * h, 0.035 * h
    hip = ankle + max(thigh * cos(a) + shank * cos(a - k) for a, k in legs)
    return Stance(hip, legs, (turn + pi, turn))


def _leg_angles(turn: float, effort: float) -> tuple[float, float]:
    """Hip swing (forward positive) and knee bend, radians."""
    swing = effort * 0.37 * sin(turn)
    # The knee bends while the leg swings forward and yields a little under the weight.
    knee = effort * (0.12 + 0.85 * max(0.0, cos(turn)) ** 1.6)
    return swing, knee


def leg_points(
    person: Person, side: int, hip: float, swing: float, knee: float
) -> tuple[Point, Point, Point]:
    """Hip, knee and ankle of a leg; `side` is 1 for the person's right, -1 for the left."""
    h = person.height
    x = side * 0.047 * h * person.girth**0.5
    k = (x, 0.245 * h * sin(swing), hip - 0.245 * h * cos(swing))
    a = (x, k[1] + 0.245 * h * sin(swing - knee), k[2] - 0.245 * h * cos(swing - knee))
    return (x, 0.0, hip), k, a


def _leg(
    person: Person, wardrobe: Wardrobe, side: int, hip: float, swing: float, knee: float
) -> list[Part]:
    h = person.height
    top, k, a = leg_points(person, side, hip, swing, knee)
    x = top[0]
    loose = {"wide trousers": 1.35, "trousers": 1.05}.get(person.bottom, 0.95)
    girth = person.girth**0.6
    up, mid, low = 0.052 * h * girth, 0.034 * h * girth * loose, 0.023 * h * loose
    if person.bottom == "wide trousers":
        low = 0.038 * h
    shoe = 0.028 * h
    toe = (x + side * 0.012 * h, a[1] + 0.085 * h, max(0.018 * h, a[2] - 0.01 * h))
    heel = (x, a[1] - 0.02 * h, max(0.018 * h, a[2] - 0.012 * h))
    return [
        Part(top, k, (up, up), (mid, mid), (0.03, 0.01), wardrobe.thigh),
        Part(k, a, (mid, mid), (low, low), (0.02, 0.012), wardrobe.shank),
        Part(heel, toe, (shoe, shoe), (shoe * 0.8,) * 2, (0.02, 0.03), wardrobe.shoe),
    ]


def _torso(person: Person, wardrobe: Wardrobe, hip: float) -> list[Part]:
    h, wide = person.height, person.girth
    top, waist = hip + 0.285 * h, hip + 0.115 * h
    shoulder = (0.107 * h * person.shoulders * wide**0.3, 0.060 * h * wide**0.6)
    middle = (0.080 * h * wide, 0.058 * h * wide)
    hips = (0.088 * h * wide**0.8, 0.064 * h * wide**0.8)
    if person.top != "shirt":
        shoulder = (shoulder[0] * 1.06, shoulder[1] * 1.15)
        middle = (middle[0] * 1.10, middle[1] * 1.15)
    upper, lower = wardrobe.torso[: int(0.55 * ROWS)], wardrobe.torso[int(0.55 * ROWS) :]
    lean = 0.012 * h
    return [
        Part((0, lean, top), (0, 0, waist), shoulder, middle, (0.05 * h, 0.01), upper),
        Part((0, 0, waist), (0, 0, hip), middle, hips, (0.01, 0.03 * h), lower),
    ]


def arm_points(
    person: Person, side: int, hip: float, turn: float, effort: float
) -> tuple[Point, Point, Point]:
    """Shoulder, elbow and wrist of an arm that is at `turn` (radians) of its swing."""
    h = person.height
    carries = _carries(person, side)
    swing = effort * (0.12 if carries else 0.42) * sin(turn)
    bend = 0.12 if carries else 0.18 + effort * (0.2 + 0.15 * sin(turn))
    out = 0.112 * h * person.shoulders * person.girth**0.3
    shoulder = (side * out, 0.012 * h, hip + 0.272 * h)
    elbow = (
        side * (out + 0.022 * h),
        shoulder[1] + 0.175 * h * sin(swing),
        shoulder[2] - 0.175 * h * cos(swing),
    )
    wrist = (
        side * (out + 0.018 * h),
        elbow[1] + 0.15 * h * sin(swing + bend),
        elbow[2] - 0.15 * h * cos(swing + bend),
    )
    return shoulder, elbow, wrist


def _carries(person: Person, side: int) -> bool:
    """Whether this hand holds a bag."""
    return person.bag in ("hand bag", "tote") and side == (1 if person.seed % 2 else -1)


def _arm(
    person: Person, wardrobe: Wardrobe, side: int, hip: float, turn: float, effort: float
) -> list[Part]:
    h = person.height
    shoulder, elbow, wrist = arm_points(person, side, hip, turn, effort)
    girth = 0.030 * h * person.girth**0.5 * (1.18 if person.top != "shirt" else 1.0)
    hand = (wrist[0], wrist[1] + 0.01 * h, wrist[2] - 0.04 * h)
    fore = girth * 0.82
    parts = [
        Part(shoulder, elbow, (girth, girth), (fore, fore), (0.022 * h, 0.01), wardrobe.sleeve),
        Part(elbow, wrist, (fore, fore), (fore * 0.75,) * 2, (0.02, 0.01), wardrobe.forearm),
        Part(wrist, hand, (0.017 * h,) * 2, (0.016 * h,) * 2, (0.015, 0.02), wardrobe.skin),
    ]
    if _carries(person, side):
        size = 0.075 * h if person.bag == "hand bag" else 0.10 * h
        deep = 0.16 * h if person.bag == "hand bag" else 0.24 * h
        up = (hand[0] + side * 0.02, hand[1], hand[2] - 0.03 * h)
        down = (up[0], up[1], max(0.06 * h, up[2] - deep))
        axes = (0.03 * h, size)
        parts.append(Part(up, down, (axes[0], size * 0.8), axes, (0.012, 0.012), wardrobe.bag))
    return parts


def _head(person: Person, wardrobe: Wardrobe, hip: float) -> list[Part]:
    h = person.height
    base = hip + 0.285 * h  # shoulder line
    crown, chin = base + 0.195 * h, base + 0.075 * h
    axes, jaw = (0.044 * h, 0.054 * h), (0.0396 * h, 0.0486 * h)
    y = 0.018 * h
    neck = Part((0, 0.008 * h, base + 0.09 * h), (0, 0, base), (0.028 * h,) * 2, (0.034 * h,) * 2,
                (0.01, 0.02), wardrobe.skin)  # fmt: skip
    skull = Part((0, y, crown - 0.05 * h), (0, y, chin + 0.04 * h), axes, jaw,
                 (0.05 * h, 0.042 * h), wardrobe.head)  # fmt: skip
    parts = [neck, skull]
    parts += _hair(person, wardrobe.hair, crown, y)
    parts += _hat(person, wardrobe.hat, crown, y)
    return parts


def _hair(person: Person, hair: Texture, crown: float, y: float) -> list[Part]:
    h = person.height
    if person.hair in ("bob", "long"):
        fall = 0.11 * h if person.hair == "bob" else 0.20 * h
        axes = (0.052 * h, 0.036 * h)
        top, bottom = (0, y - 0.028 * h, crown - 0.035 * h), (0, y - 0.045 * h, crown - fall)
        return [Part(top, bottom, axes, (0.056 * h, 0.03 * h), (0.035 * h, 0.015 * h), hair)]
    if person.hair == "ponytail":
        top, bottom = (0, y - 0.06 * h, crown - 0.03 * h), (0, y - 0.085 * h, crown - 0.16 * h)
        return [Part(top, bottom, (0.022 * h,) * 2, (0.014 * h,) * 2, (0.015 * h, 0.02 * h), hair)]
    if person.hair == "bun":
        ball = (0, y - 0.03 * h, crown + 0.005 * h)
        low = (ball[0], ball[1], ball[2] - 0.005 * h)
        return [Part(ball, low, (0.027 * h,) * 2, (0.027 * h,) * 2, (0.025 * h,) * 2, hair)]
    if person.hair == "afro":
        ball, low = (0, y - 0.018 * h, crown - 0.02 * h), (0, y - 0.022 * h, crown - 0.06 * h)
        return [Part(ball, low, (0.066 * h,) * 2, (0.064 * h,) * 2, (0.045 * h, 0.03 * h), hair)]
    return []


def _hat(person: Person, hat: Texture, crown: float, y: float) -> list[Part]:
    h = person.height
    if person.hat == "none":
        return []
    dome = Part((0, y, crown - 0.035 * h), (0, y, crown - 0.055 * h), (0.051 * h, 0.061 * h),
                (0.051 * h, 0.061 * h), (0.045 * h, 0.008 * h), hat)  # fmt: skip
    if person.hat == "cap":
        peak = Part((0, y + 0.05 * h, crown - 0.05 * h), (0, y + 0.10 * h, crown - 0.06 * h),
                    (0.036 * h, 0.012 * h), (0.03 * h, 0.012 * h),
                    (0.01 * h, 0.012 * h), hat)  # fmt: skip
        return [dome, peak]
    if person.hat == "brim":
        z = crown - 0.055 * h
        return [dome, Part((0, y, z), (0, y, z - 0.01 * h), (0.078 * h, 0.088 * h),
                           (0.080 * h, 0.090 * h), (0.005 * h,) * 2, hat)]  # fmt: skip
    return [dome]


def _worn_bag(person: Person, wardrobe: Wardrobe, hip: float) -> Part:
    h = person.height
    if person.bag == "backpack":
        y = -(0.062 * h * person.girth**0.6 + 0.045 * h)
        return Part((0, y, hip + 0.25 * h), (0, y, hip + 0.06 * h), (0.075 * h, 0.045 * h),
                    (0.088 * h, 0.058 * h), (0.03 * h, 0.015 * h), wardrobe.bag)  # fmt: skip
    # The strap falls from the other shoulder to this side.
    x = (1 if person.seed % 2 else -1) * 0.105 * h * person.girth**0.8
    return Part((x, 0.0, hip + 0.05 * h), (x, 0.0, hip - 0.08 * h), (0.034 * h, 0.085 * h),
                (0.036 * h, 0.095 * h), (0.012 * h,) * 2, wardrobe.bag)  # fmt: skip
