"""From 17 keypoints in an image to joints in space.

One image does not show depth. It is filled in by what bodies are like: limbs have known lengths,
so that what looks too short points towards the camera or away; they swing along the body's own
heading, knees bend backwards and elbows forwards. The heading follows from how far apart shoulders
and hips look, and from where the face is.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from train.structure.body import (
    ARMS,
    FOREARM,
    HEAD,
    HIP,
    LEAN,
    LEFT_EAR,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEGS,
    RIGHT_EAR,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    SHANK,
    SHOULDER,
    THIGH,
    TORSO,
    UPPER_ARM,
)

FloatArray = npt.NDArray[np.floating[Any]]

SEEN = 0.3  # confidence from which a keypoint counts
_SLACK = 0.94  # a limb that looks at least this share of its length is taken to lie flat
_NOSE = 0


def lift(keypoints: FloatArray) -> FloatArray | None:
    """Joints (17, 3) for `train.structure.body`, or None where too little of the body is seen.

    Args:
        keypoints: (17, 3) x, y in pixels and confidence in [0, 1], in COCO's order.
    """
    seen = keypoints[:, 2] >= SEEN
    points = np.where(seen[:, None], keypoints[:, :2], np.nan)
    for left, right in ((LEFT_SHOULDER, RIGHT_SHOULDER), (LEFT_HIP, RIGHT_HIP)):
        if np.isnan(points[[left, right]]).all():
            return None
        for one, another in ((left, right), (right, left)):
            if np.isnan(points[one]).any():
                points[one] = points[another]
    height = _height(points)
    if height < 8:
        return None
    forward = _heading(points, height)
    joints = np.full((17, 3), np.nan)
    leaning = LEAN * TORSO * height * forward[2]
    for side, shoulder, hip in ((1, LEFT_SHOULDER, LEFT_HIP), (-1, RIGHT_SHOULDER, RIGHT_HIP)):
        nearer = side * height * _left(forward)[2]
        joints[shoulder] = [*points[shoulder], SHOULDER * nearer + leaning]
        joints[hip] = [*points[hip], HIP * nearer]
    for limbs, lengths, bends in ((ARMS, (UPPER_ARM, FOREARM), 1), (LEGS, (THIGH, SHANK), -1)):
        for limb in limbs:
            _place_limb(joints, points, limb, [share * height for share in lengths], forward, bends)
    _place_head(joints, points, height, forward)
    return joints


def _height(points: FloatArray) -> float:
    """Of the body in pixels: what is seen is never longer than it is."""
    torso = points[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(0) - points[[LEFT_HIP, RIGHT_HIP]].mean(0)
    found = [float(np.linalg.norm(torso)) / TORSO]
    for hip, knee, ankle in LEGS:
        parts = ((hip, knee, THIGH), (knee, ankle, SHANK))
        lengths = [np.linalg.norm(points[b] - points[a]) / share for a, b, share in parts]
        if not np.isnan(lengths).any():
            found.append(float(np.mean(lengths)))
    return max(found)


def _heading(points: FloatArray, height: float) -> FloatArray:
    """Where the chest points to, (3,) of length 1 without a vertical share."""
    apart = sum(
        points[left, 0] - points[right, 0]
        for left, right in ((LEFT_SHOULDER, RIGHT_SHOULDER), (LEFT_HIP, RIGHT_HIP))
    )
    towards = float(np.clip(apart / (2 * (SHOULDER + HIP) * height), -1, 1))
    aside = np.sqrt(1 - towards**2)
    return np.array([aside * _side_of_face(points), 0.0, towards])


def _left(forward: FloatArray) -> FloatArray:
    """The person's own left, (3,)."""
    return np.array([forward[2], 0.0, -forward[0]])


def _side_of_face(points: FloatArray) -> float:
    """1 where the face points to the image's right, else -1."""
    ears = points[[LEFT_EAR, RIGHT_EAR], 0]
    seen = ~np.isnan(ears)
    if seen.sum() == 1:  # the other one is hidden behind the head
        return -1.0 if seen[0] else 1.0
    middle = ears.mean() if seen.all() else points[[LEFT_SHOULDER, RIGHT_SHOULDER], 0].mean()
    nose = points[_NOSE, 0]
    return 1.0 if np.isnan(nose) or nose >= middle else -1.0


def _place_limb(
    joints: FloatArray,
    points: FloatArray,
    limb: tuple[int, int, int],
    lengths: list[float],
    forward: FloatArray,
    bends: int,
) -> None:
    """Put the two outer joints of a limb into ``joints``; what is not seen hangs down.

    Of the ways in which its parts may point, the one that strays least from the body's heading and
    bends least against the joint (``bends`` is 1 for forwards, -1 for backwards).
    """
    left = _left(forward)
    root, middle, end = limb
    flat, deep = [], []
    before = points[root]
    for joint, length in zip((middle, end), lengths, strict=True):
        step = points[joint] - before
        if np.isnan(step).any():
            step = np.array([0.0, length])
        flat.append(step)
        deep.append(np.sqrt(max(0.0, (_SLACK * length) ** 2 - float(step @ step))))
        before = before + step

    def strain(first_sign: int, second_sign: int) -> float:
        first = np.array([*flat[0], first_sign * deep[0]])
        second = np.array([*flat[1], second_sign * deep[1]])
        astray = abs(float(first @ left)) + abs(float(second @ left))
        against = bends * float((first / lengths[0] - second / lengths[1]) @ forward)
        return astray + lengths[0] * max(0.0, against)

    ways = list(product((1, -1), repeat=2))
    signs = ways[int(np.argmin([strain(*way) for way in ways]))]
    place = joints[root]
    for joint, step, sign, depth in zip((middle, end), flat, signs, deep, strict=True):
        place = place + np.array([*step, sign * depth])
        joints[joint] = place


def _place_head(joints: FloatArray, points: FloatArray, height: float, forward: FloatArray) -> None:
    """Ears on both sides of the head's middle, nose and eyes before it."""
    left = _left(forward)
    shoulders = joints[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=0)
    middle = shoulders - [0.0, HEAD * height, 0.0]
    face = points[: RIGHT_EAR + 1]
    ears = face[[LEFT_EAR, RIGHT_EAR]]
    if not np.isnan(ears).any():
        middle[:2] = ears.mean(axis=0)
    elif not np.isnan(face).all():
        middle[1] = np.nanmean(face[:, 1])
    joints[:LEFT_EAR] = middle + 0.056 * height * forward
    joints[LEFT_EAR] = middle + 0.044 * height * left
    joints[RIGHT_EAR] = middle - 0.044 * height * left
