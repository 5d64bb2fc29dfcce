"""Where the joints of a walking body are, for those who want to know its pose."""

from __future__ import annotations

from pipeline.simulate.body import Point, arm_points, leg_points, stance
from pipeline.simulate.people import Person

# COCO's 17 keypoints, in its order. Left and right are the person's own.
JOINTS = (
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
)


def joints(person: Person, phase: float, effort: float) -> list[Point]:
    """The joints of `pose`'s body, in body coordinates (metres) and the order of `JOINTS`."""
    held = stance(person, phase, effort)
    places = dict(zip(JOINTS, _face(person, held.hip), strict=False))
    for side, name, swing, turn in (
        (1, "right", held.legs[0], held.arms[0]),
        (-1, "left", held.legs[1], held.arms[1]),
    ):
        leg = leg_points(person, side, held.hip, *swing)
        arm = arm_points(person, side, held.hip, turn, effort)
        for joint, point in zip(("hip", "knee", "ankle"), leg, strict=True):
            places[f"{name} {joint}"] = point
        for joint, point in zip(("shoulder", "elbow", "wrist"), arm, strict=True):
            places[f"{name} {joint}"] = point
    return [places[name] for name in JOINTS]


def _face(person: Person, hip: float) -> list[Point]:
    """Nose, eyes and ears on the skull, whose middle is 0.135 body heights above the shoulders."""
    h = person.height
    middle, y = hip + 0.42 * h, 0.018 * h
    return [
        (0.0, y + 0.056 * h, middle - 0.01 * h),
        (-0.018 * h, y + 0.048 * h, middle + 0.008 * h),
        (0.018 * h, y + 0.048 * h, middle + 0.008 * h),
        (-0.044 * h, y, middle),
        (0.044 * h, y, middle),
    ]
