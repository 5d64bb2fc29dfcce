"""One camera's picture at one moment: people at places on the ground, and what is seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, hypot

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.simulate.background import Furniture, paint_background, sample_furniture
from pipeline.simulate.body import pose
from pipeline.simulate.figure import Look, Sprite, draw_figure, place
from pipeline.simulate.garments import Wardrobe, dress
from pipeline.simulate.people import Person
from pipeline.simulate.response import Response, sample_style
from pipeline.simulate.rng import stream
from pipeline.simulate.skeleton import joints
from pipeline.simulate.view import View

Image = npt.NDArray[np.uint8]

VISIBLE = 0.25  # of the body; of less the truth asks nothing
HINT = 0.02  # of the body; less nobody can see


@dataclass(frozen=True)
class Actor:
    """A person on the ground of one camera: metres, heading in radians clockwise from +Y (away
    from the camera), gait `phase` in cycles, `effort` in [0, 1] (0 stands)."""

    person: Person
    x: float
    y: float
    heading: float
    phase: float
    effort: float


@dataclass(frozen=True)
class Seen:
    """A person in the picture: amodal box (x1, y1, x2, y2) in pixels, clipped to the frame;
    `visibility` in [0, 1] is the share of the whole body that neither people, furniture nor the
    frame's edge hide."""

    person: int
    box: tuple[float, float, float, float]
    visibility: float

    @property
    def counts(self) -> bool:
        """Whether enough is visible to be asked for."""
        return self.visibility >= VISIBLE


class Stage:
    """A simulated camera: geometry, background and response, all drawn from (seed, name)."""

    def __init__(
        self, seed: int, name: str | int, view: View, furniture: Sequence[Furniture] | None = None
    ) -> None:
        rng = stream(seed, "stage", name)
        if furniture is None:
            furniture = sample_furniture(rng, view, int(rng.integers(0, 4)))
        self.view = view
        self.furniture = list(furniture)
        self.style = sample_style(rng)
        self._light = float(rng.uniform(-1, 1))
        self._background = paint_background(rng, view, self.furniture)
        self._response = Response(rng, self.style, view)
        self._wardrobes: dict[tuple[int, int], Wardrobe] = {}
        self._rng = stream(seed, "shots", name)

    def shoot(self, actors: Sequence[Actor]) -> tuple[Image, list[Seen]]:
        """The camera's frame (h, w, 3) uint8 BGR and whom of the people it shows."""
        scene = self._background.image.copy()
        ordered = sorted((a for a in actors if self._near_frame(a)), key=lambda a: -a.y)
        for actor in ordered:
            self._cast_shadow(scene, actor)
        owner = np.zeros(scene.shape[:2], np.uint8)
        drawn = []
        for number, actor in enumerate(ordered, start=1):
            sprite = self._draw(actor)
            drawn.append((actor, sprite))
            self._composite(scene, owner, sprite, actor.y, number)
        seen = []
        for number, (actor, sprite) in enumerate(drawn, start=1):
            found = self._look(owner, sprite, actor.person.number, number)
            if found is not None:
                seen.append(found)
        return self._response.apply(self._rng, scene), seen

    def joints(self, actor: Actor) -> npt.NDArray[np.float32]:
        """Where `shoot` shows the actor's joints, (17, 3) in the order of `skeleton.JOINTS`: pixels
        of the frame to the right and down, and pixels towards the camera."""
        seen_as = self._seen_as(actor)
        points = joints(actor.person, actor.phase, actor.effort)
        return np.array([place(point, *seen_as) for point in points], np.float32)

    def _near_frame(self, actor: Actor) -> bool:
        """Whether any of the figure or its shadow can be in the frame."""
        left = self.view.project(actor.x - 1.2, actor.y)[0]
        right = self.view.project(actor.x + 1.2, actor.y)[0]
        head = self.view.project(actor.x, actor.y, 2.2)[1]
        return right > 0 and left < self.view.width and head < self.view.height

    def _draw(self, actor: Actor) -> Sprite:
        person = actor.person
        key = (person.number, person.seed)
        if key not in self._wardrobes:
            self._wardrobes[key] = dress(person)
        parts = pose(person, self._wardrobes[key], actor.phase, actor.effort)
        return draw_figure(parts, *self._seen_as(actor))

    def _seen_as(self, actor: Actor) -> tuple[Look, tuple[float, float]]:
        """From where the actor is seen, and the pixel between the feet."""
        view = self.view
        foot = view.project(actor.x, actor.y)
        head = view.project(actor.x, actor.y, actor.person.height)
        elevation = view.elevation(actor.x, actor.y)
        look = Look(
            yaw=actor.heading - atan2(actor.x, actor.y),
            elevation=elevation,
            scale=(foot[1] - head[1]) / (actor.person.height * cos(elevation)),
            lean=(head[0] - foot[0]) / (foot[1] - head[1]),
            light=self._light,
        )
        return look, foot

    def _cast_shadow(self, scene: Image, actor: Actor) -> None:
        u, v = self.view.project(actor.x + 0.15 * self._light, actor.y)
        scale = self.view.focal / hypot(actor.y, self.view.mount)
        wide, high = 0.42 * scale, 0.42 * scale * self.view.mount / hypot(actor.y, self.view.mount)
        x0, x1 = max(0, int(u - wide)), min(self.view.width, int(u + wide) + 1)
        y0, y1 = max(0, int(v - high)), min(self.view.height, int(v + high) + 1)
        if x0 >= x1 or y0 >= y1:
            return
        x = (np.arange(x0, x1, dtype=np.float32) - u) / wide
        y = (np.arange(y0, y1, dtype=np.float32) - v) / max(1.0, high)
        dark = 1 - 0.55 * np.clip(1 - x[None, :] ** 2 - y[:, None] ** 2, 0, 1)
        dark[self._background.depth[y0:y1, x0:x1] < actor.y] = 1  # not on what stands before it
        patch = scene[y0:y1, x0:x1]
        patch[:] = (patch * dark[..., None]).astype(np.uint8)

    def _composite(
        self, scene: Image, owner: Image, sprite: Sprite, distance: float, number: int
    ) -> None:
        window = _clip(sprite, self.view)
        if window is None:
            return
        x0, y0, x1, y1 = window
        part = (slice(y0 - sprite.y, y1 - sprite.y), slice(x0 - sprite.x, x1 - sprite.x))
        free = self._background.depth[y0:y1, x0:x1] >= distance
        alpha = sprite.alpha[part] * free
        weight = (255 - alpha).astype(np.uint16)[..., None]
        patch = scene[y0:y1, x0:x1]
        blend = (patch * weight + 127) // 255 + sprite.colour[part] * free[..., None]
        patch[:] = np.minimum(blend, 255).astype(np.uint8)
        owner[y0:y1, x0:x1][alpha > 127] = number

    def _look(self, owner: Image, sprite: Sprite, person: int, number: int) -> Seen | None:
        window = _clip(sprite, self.view)
        if window is None:
            return None
        x0, y0, x1, y1 = window
        solid = sprite.alpha > 127
        whole = int(np.count_nonzero(solid))
        visible = int(np.count_nonzero(owner[y0:y1, x0:x1] == number)) / max(1, whole)
        if visible < HINT:
            return None
        left, top, wide, high = cv2.boundingRect(solid.astype(np.uint8))
        box = (
            float(max(0, sprite.x + left)),
            float(max(0, sprite.y + top)),
            float(min(self.view.width, sprite.x + left + wide)),
            float(min(self.view.height, sprite.y + top + high)),
        )
        return Seen(person, box, visible)


def _clip(sprite: Sprite, view: View) -> tuple[int, int, int, int] | None:
    """The sprite's rectangle inside the frame, or None where it lies outside."""
    x0, y0 = max(0, sprite.x), max(0, sprite.y)
    x1 = min(view.width, sprite.x + sprite.alpha.shape[1])
    y1 = min(view.height, sprite.y + sprite.alpha.shape[0])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
