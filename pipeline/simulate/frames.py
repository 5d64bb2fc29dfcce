"""Frames with boxes for training a detector: many scenes, from empty to crowded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.simulate.crops import FPS, place_people, walk_on
from pipeline.simulate.people import sample_people
from pipeline.simulate.rng import stream
from pipeline.simulate.stage import Stage
from pipeline.simulate.video import Codec
from pipeline.simulate.view import sample_view


def render_training_frames(
    seed: int, count: int, width: int = 640, height: int = 360, per_scene: int = 10
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """Yields `count` pairs of a frame (height, width, 3) uint8 BGR and its boxes (n, 4) float32.

    Boxes are (x1, y1, x2, y2) in pixels, amodal and clipped to the frame, of everybody who is
    visible enough for the truth of a site. Each `per_scene` frames come from a new camera, place
    and set of people; they went through H.264. The same arguments give the same frames.
    """
    for scene in range(-(-count // per_scene)):
        rng = stream(seed, "training scene", scene)
        people = sample_people(int(rng.integers(2**31)), 16)
        view = sample_view(rng, width, height)
        stage = Stage(seed, f"training {scene}", view)
        codec = Codec(width, height, FPS)
        for _ in range(min(per_scene, count - scene * per_scene)):
            number = _crowd(rng)
            actors = place_people(rng, view, [people[i] for i in rng.permutation(16)[:number]])
            for step in range(2):
                frame, seen = stage.shoot([walk_on(a, step / FPS) for a in actors])
                frame = codec.roundtrip(frame)
            yield frame, np.array([s.box for s in seen if s.counts], np.float32).reshape(-1, 4)


def _crowd(rng: np.random.Generator) -> int:
    """How many people: seldom nobody, mostly a few, sometimes a crowd."""
    low, high = ((0, 1), (1, 4), (4, 9), (9, 17))[int(rng.choice(4, p=[0.08, 0.5, 0.3, 0.12]))]
    return int(rng.integers(low, high))
