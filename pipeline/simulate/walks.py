"""One person's way through one camera's view: where they are, and how they move, at any time."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2

import numpy as np
import numpy.typing as npt

from pipeline.simulate.background import Furniture
from pipeline.simulate.body import stride
from pipeline.simulate.people import Person
from pipeline.simulate.stage import Actor
from pipeline.simulate.view import View

Points = npt.NDArray[np.float64]

CLEARANCE = 0.35  # metres between a person's middle and the furniture
OUTSIDE = 0.55  # metres beyond the frame's edge where walks begin and end


@dataclass(frozen=True)
class Walk:
    """A path on the ground (n, 2) in metres, walked from time `start` (seconds) at `speed` (m/s),
    with one stop of `pause` seconds after `pause_at` metres."""

    person: Person
    start: float
    speed: float
    points: Points
    reached: npt.NDArray[np.float64]  # metres walked at each point
    pause_at: float
    pause: float

    @property
    def end(self) -> float:
        return self.start + float(self.reached[-1]) / self.speed + self.pause

    def actor(self, time: float) -> Actor:
        """The person at `time`, between `start` and `end`."""
        walked = (time - self.start) * self.speed
        stopped = min(max(0.0, walked - self.pause_at), self.pause * self.speed)
        at = walked - stopped
        # Half a second of slowing down and of setting off around the stop.
        near_stop = min(1.0, abs(at - self.pause_at) / (0.5 * self.speed)) if self.pause else 1.0
        ahead, behind = self._point(at + 0.2), self._point(at - 0.2)
        x, y = self._point(at)
        return Actor(
            person=self.person,
            x=float(x),
            y=float(y),
            heading=atan2(ahead[0] - behind[0], ahead[1] - behind[1]),
            phase=at / stride(self.person) + self.person.seed % 100 / 100,
            effort=near_stop * min(1.0, 0.35 + 0.5 * self.speed),
        )

    def _point(self, at: float) -> tuple[float, float]:
        x = np.interp(at, self.reached, self.points[:, 0])
        y = np.interp(at, self.reached, self.points[:, 1])
        return float(x), float(y)


def plan_walk(
    rng: np.random.Generator,
    person: Person,
    start: float,
    views: list[View],
    furniture: list[Furniture],
) -> Walk:
    """A walk through the ground of `views[0]`; a second view faces it from the opposite wall.

    People come in at the left, the right or (one view only) below the camera, pass one or two
    points, sometimes stop, sometimes turn back, and go round the furniture.
    """
    for _ in range(60):
        points = _round_off(_waypoints(rng, views))
        if not any(f.holds(x, y, CLEARANCE) for f in furniture for x, y in points):
            break
    steps = np.hypot(*np.diff(points, axis=0).T)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    stops = rng.random() < 0.25
    return Walk(
        person=person,
        start=start,
        speed=float(person.speed * rng.uniform(0.92, 1.08)),
        points=points,
        reached=reached,
        pause_at=float(rng.uniform(0.35, 0.65) * reached[-1]) if stops else 0.0,
        pause=float(rng.uniform(1.5, 4.0)) if stops else 0.0,
    )


def _waypoints(rng: np.random.Generator, views: list[View]) -> Points:
    doors = ["left", "right"] if len(views) > 1 else ["left", "right", "near"]
    entry = str(rng.choice(doors))
    turns_back = rng.random() < 0.15
    leave = entry if turns_back else str(rng.choice([d for d in doors if d != entry]))
    view = views[0]
    middle = []
    for _ in range(1 if turns_back or rng.random() < 0.6 else 2):
        y = float(rng.uniform(view.near, view.far))
        middle.append((float(rng.uniform(-0.6, 0.6)) * view.half_width(y), y))
    if entry == "left" and not turns_back:
        middle.sort()
    elif entry == "right" and not turns_back:
        middle.sort(reverse=True)
    return np.array([_door(rng, entry, views), *middle, _door(rng, leave, views)])


def _door(rng: np.random.Generator, door: str, views: list[View]) -> tuple[float, float]:
    view = views[0]
    if door == "near":
        y = view.near
        while y > 0.2 and view.project(0, y, 2.05)[1] < view.height:  # the tallest hat
            y -= 0.05
        return float(rng.uniform(-0.4, 0.4)) * view.half_width(view.near), y
    y = float(rng.uniform(view.near, view.far))
    reach = max(view.half_width(y), *(v.half_width(view.wall - y) for v in views[1:]), 0.0)
    return (reach + OUTSIDE) * (-1 if door == "left" else 1), y


def _round_off(points: Points) -> Points:
    """Chaikin's corner cutting: people walk curves."""
    for _ in range(4):
        before, after = points[:-1], points[1:]
        cut = np.empty((2 * len(before), 2))
        cut[0::2], cut[1::2] = 0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after
        points = np.concatenate([points[:1], cut, points[-1:]])
    return points
