"""Re-identification crops of simulated people, cut from decoded H.264 as a detector would."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import CamtrailError
from pipeline.simulate.body import stride
from pipeline.simulate.people import Person, sample_people
from pipeline.simulate.rng import stream
from pipeline.simulate.stage import Actor, Seen, Stage
from pipeline.simulate.video import Codec
from pipeline.simulate.view import View, sample_view

WIDTH, HEIGHT, FPS = 640, 360, 10.0
SETTLE = 3  # frames filmed before a crop is cut, so that it carries the artefacts of motion
LEAST_VISIBLE = 0.5
LEAST_HEIGHT = 48  # pixels
JITTER = 0.03  # standard deviation of a box edge, as a share of the box
JOINTS = "joints.npz"  # beside the images

Split = Literal["train", "query", "gallery"]
_FOLDERS: dict[Split, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}


@dataclass(frozen=True)
class CropOptions:
    """How many identities (>= 1 of both kinds), cameras (1-99) and crops of each identity in each
    camera (1-50). Raises CamtrailError for values out of range."""

    seed: int
    train_identities: int = 300
    test_identities: int = 100
    cameras: int = 6
    per_camera: int = 4

    def __post_init__(self) -> None:
        for name, low, high in (
            ("seed", 0, 2**63 - 1),
            ("train_identities", 1, 5000),
            ("test_identities", 1, 4000),
            ("cameras", 1, 99),
            ("per_camera", 1, 50),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise CamtrailError(f"crops: {name} must be in {low}..{high}, not {value}")

    @property
    def total(self) -> int:
        return (self.train_identities + self.test_identities) * self.cameras * self.per_camera


@dataclass(frozen=True)
class Crop:
    """`image` (h, w, 3) uint8 RGB as cut from the frame; `identity` and `camera` from 1; `joints`
    (17, 3) float32 in the order of `skeleton.JOINTS`: pixels of the image to the right and down,
    hidden or outside as they may be, and pixels towards the camera.

    The first crop of a test identity in a camera is its query, the others are gallery.
    """

    identity: int
    camera: int
    split: Split
    image: npt.NDArray[np.uint8]
    joints: npt.NDArray[np.float32]


def simulated_crops(options: CropOptions) -> Iterator[Crop]:
    """All crops, camera by camera. Train identities come first in number; no test identity is
    among them. The same options give the same crops."""
    number = options.train_identities + options.test_identities
    people = sample_people(options.seed, number)
    for camera in range(1, options.cameras + 1):
        taken: dict[int, int] = {}
        for identity, image, joints in _film_crops(options, camera, people):
            split: Split = "train"
            if identity > options.train_identities:
                split = "gallery" if taken.get(identity) else "query"
            taken[identity] = taken.get(identity, 0) + 1
            yield Crop(identity, camera, split, image, joints)


def simulate_crops(
    out: Path, options: CropOptions, progress: Callable[[int, int], None] | None = None
) -> None:
    """Writes the crops in the layout of Market-1501: `bounding_box_train`, `query` and
    `bounding_box_test`, names `IIII_cCs1_FFFFFF_01.jpg`, JPEG quality 92; beside them `joints.npz`
    with `names` (N,) of the images without suffix and `joints` (N, 17, 3) as of `Crop`.

    `progress` is called with (crops done, crops in all). Raises CamtrailError if `out` is not
    empty.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CamtrailError(f"crops: {out} exists and is not an empty folder; choose another one")
    for folder in _FOLDERS.values():
        (out / folder).mkdir(parents=True)
    joints: dict[str, npt.NDArray[np.float32]] = {}
    for number, crop in enumerate(simulated_crops(options), start=1):
        name = f"{crop.identity:04d}_c{crop.camera}s1_{number:06d}_01"
        joints[name] = crop.joints
        path = out / _FOLDERS[crop.split] / f"{name}.jpg"
        image = cv2.cvtColor(crop.image, cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise CamtrailError(f"crops: cannot write {path} (is the disk full?)")
        if progress:
            progress(number, options.total)
    np.savez_compressed(out / JOINTS, names=list(joints), joints=np.stack(list(joints.values())))


def _film_crops(
    options: CropOptions, camera: int, people: list[Person]
) -> Iterator[tuple[int, npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """(identity, RGB crop, joints in it) until each person has `per_camera` of them."""
    rng = stream(options.seed, "crops", camera)
    view = sample_view(rng, WIDTH, HEIGHT)
    stage = Stage(options.seed, f"crops {camera}", view)
    codec = Codec(WIDTH, HEIGHT, FPS)
    waiting = deque(person for _ in range(options.per_camera) for person in _shuffled(rng, people))
    while waiting:
        group = _next_group(waiting)
        actors = place_people(rng, view, list(group.values()))
        for step in range(SETTLE):
            there = [walk_on(a, step / FPS) for a in actors]
            frame, seen = stage.shoot(there)
            frame = codec.roundtrip(frame)
        filmed = {actor.person.number: actor for actor in there}
        for s in seen:
            if s.visibility >= LEAST_VISIBLE and s.box[3] - s.box[1] >= LEAST_HEIGHT:
                del group[s.person]
                image, corner = _cut(rng, frame, s)
                joints = stage.joints(filmed[s.person]) - np.array([*corner, 0], np.float32)
                yield s.person, np.ascontiguousarray(image[..., ::-1]), joints
        waiting.extend(group.values())  # hidden or too small: once more, elsewhere


def _next_group(waiting: deque[Person]) -> dict[int, Person]:
    """Takes up to four different people from the queue."""
    group: dict[int, Person] = {}
    for _ in range(min(4, len(waiting))):
        person = waiting.popleft()
        if person.number in group:
            waiting.append(person)
        else:
            group[person.number] = person
    return group


def _shuffled(rng: np.random.Generator, people: list[Person]) -> list[Person]:
    return [people[i] for i in rng.permutation(len(people))]


def place_people(rng: np.random.Generator, view: View, people: list[Person]) -> list[Actor]:
    """Spreads people over the view, with some overlap and some cut by the frame's edges."""
    slots = rng.permutation(len(people))
    actors = []
    for slot, person in zip(slots, people, strict=True):
        y = float(rng.uniform(view.near, view.far))
        share = (slot + float(rng.uniform(-0.2, 1.2))) / len(people) * 2 - 1
        actors.append(
            Actor(
                person=person,
                x=share * view.half_width(y) * 0.97,
                y=y,
                heading=float(rng.uniform(0, 2 * np.pi)),
                phase=float(rng.random()),
                effort=float(rng.choice([0.0, 0.85, 1.0], p=[0.1, 0.45, 0.45])),
            )
        )
    return actors


def walk_on(actor: Actor, seconds: float) -> Actor:
    """The same person a moment later, walking straight on."""
    way = actor.person.speed * seconds * (actor.effort > 0)
    return Actor(
        person=actor.person,
        x=actor.x + way * float(np.sin(actor.heading)),
        y=actor.y + way * float(np.cos(actor.heading)),
        heading=actor.heading,
        phase=actor.phase + way / stride(actor.person),
        effort=actor.effort,
    )


def _cut(
    rng: np.random.Generator, frame: npt.NDArray[np.uint8], seen: Seen
) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """The box with a detector's inaccuracy, and the pixel of its top left corner (x, y)."""
    x1, y1, x2, y2 = seen.box
    wide, high = x2 - x1, y2 - y1
    shift = np.clip(rng.normal(0, JITTER, 4), -0.08, 0.08) * (wide, high, wide, high)
    left, top = max(0, round(x1 + shift[0])), max(0, round(y1 + shift[1]))
    right, bottom = min(WIDTH, round(x2 + shift[2])), min(HEIGHT, round(y2 + shift[3]))
    return frame[top : max(top + 8, bottom), left : max(left + 8, right)].copy(), (left, top)
