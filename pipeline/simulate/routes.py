"""The plan of a site: places and their cameras, the ways between them, who walks where when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np

from pipeline.simulate.background import Furniture, sample_furniture
from pipeline.simulate.people import Person
from pipeline.simulate.rng import stream
from pipeline.simulate.stage import Actor
from pipeline.simulate.view import View, sample_view
from pipeline.simulate.walks import Walk, plan_walk

CAMERA_NAMES = (
    "gate", "lobby", "hall", "stairs", "yard", "shop", "platform", "corridor",
    "atrium", "kiosk", "garage", "court", "library", "terrace", "depot", "office",
)  # fmt: skip
OUTSIDE = (6.0, 15.0)  # seconds that somebody who leaves the site stays away

_APART = 10.0  # metres from place to place on the map
_FACING = 5.0  # metres between two cameras of one place


@dataclass(frozen=True)
class Camera:
    """A camera at a place. `opposite`: it hangs on the far wall and looks back."""

    name: str
    view: View
    furniture: list[Furniture]
    opposite: bool

    def localise(self, actor: Actor, wall: float) -> Actor:
        """From the place's coordinates to this camera's own."""
        if not self.opposite:
            return actor
        return replace(actor, x=-actor.x, y=wall - actor.y, heading=actor.heading + pi)


@dataclass(frozen=True)
class Place:
    """A piece of ground seen by one camera, or by two that face each other."""

    cameras: list[Camera]
    exit: bool  # whether people leave and enter the site here


@dataclass(frozen=True)
class Way:
    """Walking time in seconds between two places (numbers), both directions."""

    a: int
    b: int
    low: float
    high: float


@dataclass(frozen=True)
class Visit:
    place: int
    walk: Walk


@dataclass(frozen=True)
class Plan:
    places: list[Place]
    ways: list[Way]
    people: list[Person]
    visits: list[Visit]

    def positions(self) -> dict[str, list[float]]:
        """Where each camera is on a map of the site, in metres: the places on a ring, neighbours
        about a walk's length apart. For the eye alone: walks are drawn in seconds.
        """
        count = len(self.places)
        radius = _APART / (2 * sin(pi / count)) if count > 1 else 0.0
        found = {}
        for number, place in enumerate(self.places):
            angle = 2 * pi * number / count
            x, y = radius * sin(angle), -radius * cos(angle)
            for index, camera in enumerate(place.cameras):
                across = (index - (len(place.cameras) - 1) / 2) * _FACING
                found[camera.name] = [round(x + across, 1), round(y, 1)]
        return found

    def windows(self) -> list[tuple[str, str, float, float]]:
        """(from, to, low, high) for every ordered pair of cameras that people walk between.

        Seconds from being last seen in the one to being first seen in the other, rounded
        generously, as the owner of a site would: the walk between the frames' edges and the
        visible part of the ground takes time too, and who leaves the site by one exit may come
        back by the other.
        """
        rows = []
        for way in self.ways:
            high = way.high
            if self.places[way.a].exit and self.places[way.b].exit:
                high = max(high, OUTSIDE[1])
            for one, other in ((way.a, way.b), (way.b, way.a)):
                for start in self.places[one].cameras:
                    for goal in self.places[other].cameras:
                        low = float(max(0, np.floor(way.low) - 1))
                        rows.append((start.name, goal.name, low, float(np.ceil(high)) + 6))
        return rows


def plan_site(
    seed: int,
    cameras: int,
    people: list[Person],
    seconds: float,
    overlap: bool,
    size: tuple[int, int],
) -> Plan:
    """Draws places, ways and everybody's visits. `size` is (width, height) of the frames."""
    places = _places(seed, cameras, overlap, size)
    ways = _ways(stream(seed, "ways"), len(places))
    visits: list[Visit] = []
    order = stream(seed, "order").permutation(len(people))
    for slot, index in zip(order, range(len(people)), strict=True):
        rng = stream(seed, "route", people[index].number)
        # People arrive over the first two thirds of the time.
        start = (float(slot) + rng.random()) / len(people) * seconds * 0.66 - 2.0
        visits += _itinerary(rng, people[index], start, seconds, places, ways)
    return Plan(places, ways, people, visits)


def _places(seed: int, cameras: int, overlap: bool, size: tuple[int, int]) -> list[Place]:
    names = iter(CAMERA_NAMES[:cameras])
    groups = [[next(names), next(names)]] if overlap else []
    groups += [[name] for name in names]
    places = []
    for number, group in enumerate(groups):
        rng = stream(seed, "place", number)
        view = sample_view(rng, *size, facing=len(group) > 1)
        pieces = sample_furniture(rng, view, int(rng.integers(0, 4)))
        seen = [Camera(group[0], view, pieces, opposite=False)]
        for name in group[1:]:
            other = replace(
                sample_view(rng, *size, facing=True), near=view.near, far=view.far, wall=view.wall
            )
            turned = [replace(p, x=-p.x, y=view.wall - p.y) for p in pieces]
            seen.append(Camera(name, other, turned, opposite=True))
        places.append(Place(seen, exit=number in (0, len(groups) - 1)))
    return places


def _ways(rng: np.random.Generator, places: int) -> list[Way]:
    """Everybody is a neighbour up to three places; more form a ring with some chords."""
    pairs = [(a, b) for a in range(places) for b in range(a + 1, places)]
    if places > 3:
        pairs = [(a, b) for a, b in pairs if b - a in (1, places - 1) or rng.random() < 0.15]
    ways = []
    for a, b in pairs:
        middle = rng.uniform(4.5, 9.0)
        ways.append(Way(a, b, max(3.0, 0.7 * middle), min(12.0, 1.3 * middle)))
    return ways


def _itinerary(
    rng: np.random.Generator,
    person: Person,
    start: float,
    seconds: float,
    places: list[Place],
    ways: list[Way],
) -> list[Visit]:
    visits: list[Visit] = []
    exits = [i for i, place in enumerate(places) if place.exit]
    at, time = int(rng.integers(len(places))), start
    for _ in range(int(rng.choice([2, 3, 4], p=[0.25, 0.45, 0.3]))):
        views = [camera.view for camera in places[at].cameras]
        walk = plan_walk(rng, person, time, views, places[at].cameras[0].furniture)
        visits.append(Visit(at, walk))
        open_ways = [w for w in ways if at in (w.a, w.b)]
        if not open_ways or (places[at].exit and rng.random() < 0.3):
            at = int(rng.choice(exits))
            time = walk.end + float(rng.uniform(*OUTSIDE))
        else:
            way = open_ways[int(rng.integers(len(open_ways)))]
            at = way.b if at == way.a else way.a
            time = walk.end + float(rng.uniform(way.low, way.high))
        if time >= seconds:
            break
    return visits
