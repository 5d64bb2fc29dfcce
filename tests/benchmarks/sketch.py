"""Recordings of large simulated sites without video, detector and tracker: minutes, not hours.

``python -m tests.benchmarks.sketch FOLDER --seed 5001 --cameras 8 --people 60 --seconds 300``
``python -m tests.benchmarks.sketch FOLDER --held-out [SEED...]`` makes ``FOLDER/SEED`` for each of
the sites that the README reports on, which must serve for nothing else.

People walk and look as `camtrail simulate` has it, twice a second the pictures with somebody in
them are drawn, and the site's own encoder embeds crops of the true boxes, shifted a little. A
tracklet breaks where its person is hidden for longer than a tracker waits; a tracker's other
mistakes are left out, so that scores come out higher than from video. Of everybody in uniform the
clothes are alike. Cameras that see badly have small, dark and noisy pictures of people. FOLDER gets
what `tests.benchmarks.recording` replays, and the truth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import cv2
import msgpack
import numpy as np
import yaml

from pipeline.bus import encode
from pipeline.camera.crops import CropJudge
from pipeline.config import Crops, Encoder, load_site
from pipeline.inference.encoder import EncoderRuntime
from pipeline.records import (
    CameraState,
    Envelope,
    FloatArray,
    Image,
    Path,
    Progress,
    TrackletUpdate,
)
from pipeline.simulate.people import Person, sample_people
from pipeline.simulate.rng import stream
from pipeline.simulate.routes import Place, Plan, Visit, plan_site
from pipeline.simulate.site import START
from pipeline.simulate.stage import Seen, Stage
from tests.benchmarks.recording import RUN

RATE = 2  # pictures a second
LOST_SECONDS = 1.5  # unseen, after which a tracker gives up
_DETECTED = 0.35  # of the body visible
_SHIFT = 0.02  # of the box's size, standard deviation
_NOISE = 10.0  # of a camera that sees badly, standard deviation of pixels ...
_PACKED = (cv2.IMWRITE_JPEG_QUALITY, 40)  # ... and how its pictures are kept
_UNIFORM = ("top", "pattern", "upper_colour", "second_colour", "bottom", "lower_colour", "shoes")


@dataclass(frozen=True)
class Options:
    """See `pipeline.simulate.SiteOptions`.

    Attributes:
        uniforms: share of the people who are in uniform.
        bad: probability of a camera to see badly.
    """

    seed: int
    cameras: int
    people: int
    seconds: float
    overlap: bool = False
    uniforms: float = 0.0
    bad: float = 0.0


_KINDS = (
    Options(seed=6301, cameras=3, people=10, seconds=120),
    Options(seed=6302, cameras=5, people=30, seconds=240),
    Options(seed=6303, cameras=4, people=20, seconds=180, overlap=True),
    Options(seed=6304, cameras=6, people=30, seconds=240, overlap=True),
    Options(seed=6305, cameras=8, people=60, seconds=300),
    Options(seed=6306, cameras=12, people=150, seconds=400),
    Options(seed=6307, cameras=5, people=30, seconds=240, uniforms=1 / 3),
    Options(seed=6308, cameras=6, people=40, seconds=300, uniforms=0.5),
)
HELD_OUT = [
    *(replace(kind, seed=kind.seed + more) for more in (0, 8, 16) for kind in _KINDS),
    *(replace(kind, seed=kind.seed + 24, bad=1 / 3) for kind in _KINDS),
]


@dataclass
class _Bad:
    """How a camera sees that is far away, cheap, and turned to the dark.

    Attributes:
        height: of a person in pixels.
        light: share of it that arrives.
    """

    height: int
    light: float
    rng: np.random.Generator

    @classmethod
    def of(cls, options: Options, camera: str) -> _Bad | None:
        """None: the camera sees well."""
        rng = stream(options.seed, "sight", camera)
        if rng.random() >= options.bad:
            return None
        return cls(int(rng.integers(28, 45)), float(rng.uniform(0.5, 1.0)), rng)

    def look(self, crop: Image) -> Image:
        scale = min(1.0, self.height / len(crop))
        small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        noisy = small * self.light + self.rng.normal(0, _NOISE, small.shape)
        written = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), _PACKED)[1]
        return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)


@dataclass
class _Track:
    """A tracklet in the making; ``sums`` is the weighted sum of its embeddings."""

    number: int
    person: int
    start: float
    end: float
    points: list[tuple[float, int, list[float]]] = field(default_factory=list)
    crops: int = 0
    quality: float = 0.0
    sums: FloatArray | None = None
    seq: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=FilePath)
    parser.add_argument("--held-out", nargs="*", type=int, metavar="SEED")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--overlap", action="store_true")
    parser.add_argument("--uniforms", type=float, default=0.0, help="share of the people")
    parser.add_argument("--bad", type=float, default=0.0, help="share of the cameras")
    given = vars(parser.parse_args())
    folder, held_out = given.pop("folder"), given.pop("held_out")
    if held_out is None:
        if given["seed"] is None:
            parser.error("--seed or --held-out is needed")
        sketch(folder, Options(**given))
        return
    for options in HELD_OUT:
        if not held_out or options.seed in held_out:
            sketch(folder / str(options.seed), options)


def sketch(folder: FilePath, options: Options) -> None:
    """Writes ``site.yaml``, ``rec`` and ``CAMERA.gt.txt`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    people = _dressed(sample_people(options.seed, options.people), options)
    plan = plan_site(
        options.seed, options.cameras, people, options.seconds, options.overlap, (640, 360)
    )
    _write_site(folder / "site.yaml", plan)
    encoder = EncoderRuntime(Encoder(), 1)  # type: ignore[call-arg]
    messages: list[Envelope] = []
    for number, place in enumerate(plan.places):
        visits = [v for v in plan.visits if v.place == number]
        for index in range(len(place.cameras)):
            camera = _Camera(options, place, index, encoder)
            messages += camera.film(visits)
            (folder / f"{camera.name}.gt.txt").write_text("".join(camera.truth))
            print(f"{camera.name}: {len(camera.bodies)} messages", file=sys.stderr, flush=True)
    (folder / "rec").write_bytes(msgpack.packb([encode(message) for message in messages]))


def _dressed(people: Sequence[Person], options: Options) -> list[Person]:
    """The first of them in the clothes of the very first."""
    count = round(options.uniforms * len(people))
    alike = {name: getattr(people[0], name) for name in _UNIFORM}
    return [replace(p, **alike) if n < count else p for n, p in enumerate(people)]


def _write_site(path: FilePath, plan: Plan) -> None:
    names = [camera.name for place in plan.places for camera in place.cameras]
    pairs = [[c.name for c in place.cameras] for place in plan.places if len(place.cameras) > 1]
    transit = [{"from": a, "to": b, "seconds": [low, high]} for a, b, low, high in plan.windows()]
    config = {
        "site": "sketched",
        "cameras": {name: {"source": f"{name}.mp4"} for name in names},
        "topology": {"overlap": pairs, "transit": transit},
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False, default_flow_style=None))
    load_site(path)


class _Camera:
    """One camera's messages and truth."""

    def __init__(self, options: Options, place: Place, index: int, encoder: EncoderRuntime) -> None:
        self._camera = place.cameras[index]
        self._wall = place.cameras[0].view.wall
        self._seconds = options.seconds
        self._stage = Stage(
            options.seed, self._camera.name, self._camera.view, self._camera.furniture
        )
        self._judge = CropJudge(Crops())  # type: ignore[call-arg]
        self._encoder = encoder
        self._rng = stream(options.seed, "sketch", self._camera.name)
        self._sight = _Bad.of(options, self._camera.name)
        self._open: dict[tuple[int, int], _Track] = {}  # by person and visit
        self._tracks = 0
        self.bodies: list[TrackletUpdate | Progress] = []
        self.truth: list[str] = []

    @property
    def name(self) -> str:
        return self._camera.name

    def film(self, visits: Sequence[Visit]) -> list[Envelope]:
        self._tell(0.0, 0, CameraState.STARTING)
        frames = int(self._seconds * RATE)
        for number in range(1, frames + 1):
            time = number / RATE
            here = {
                v.walk.person.number: i
                for i, v in enumerate(visits)
                if v.walk.start <= time < v.walk.end
            }
            if here:
                actors = [
                    self._camera.localise(visits[i].walk.actor(time), self._wall)
                    for i in here.values()
                ]
                image, seen = self._stage.shoot(actors)
                self._look(image, seen, here, number)
            if number % RATE == 0 or number == frames:
                over = number == frames
                self._publish(time, over)
                self._tell(time, number, CameraState.ENDED if over else CameraState.RUNNING)
        return [Envelope(n, body) for n, body in enumerate(self.bodies, 1)]

    def _look(self, image: Image, seen: Sequence[Seen], here: dict[int, int], number: int) -> None:
        detected, boxes = [], []
        for s in seen:
            x1, y1, x2, y2 = s.box
            self.truth.append(
                f"{number},{s.person},{x1:.1f},{y1:.1f},{x2 - x1:.1f},{y2 - y1:.1f},"
                f"{s.counts:d},1,{s.visibility:.3f}\n"
            )
            if s.visibility >= _DETECTED:
                shift = self._rng.normal(0, _SHIFT, 4) * [x2 - x1, y2 - y1, x2 - x1, y2 - y1]
                detected.append(s)
                boxes.append(np.array(s.box) + shift)
        if not detected:
            return
        array = np.array(boxes, np.float32)
        quality, good = self._judge.rate(image, array, np.full(len(array), 0.8, np.float32), array)
        tracks = [self._track((s.person, here[s.person]), number / RATE) for s in detected]
        for track, box in zip(tracks, boxes, strict=True):
            track.end = number / RATE
            track.points.append((START.timestamp() + track.end, number, box.tolist()))
        chosen = np.flatnonzero(good)
        crops = [self._judge.cut(image, array[i], float(quality[i]), True) for i in chosen]
        embeddings = self._encoder.embed([self._seen(crop.image) for crop in crops])
        for i, crop, embedding in zip(chosen, crops, embeddings, strict=True):
            track = tracks[i]
            weighted = embedding * np.float32(crop.quality)
            track.sums = weighted if track.sums is None else track.sums + weighted
            track.crops += 1
            track.quality += crop.quality

    def _seen(self, crop: Image) -> Image:
        return crop if self._sight is None else self._sight.look(crop)

    def _track(self, key: tuple[int, int], time: float) -> _Track:
        track = self._open.get(key)
        if track is None:
            self._tracks += 1
            track = self._open[key] = _Track(self._tracks, key[0], time, time)
        return track

    def _publish(self, time: float, over: bool) -> None:
        for key, track in list(self._open.items()):
            ended = over or time - track.end > LOST_SECONDS
            if not track.points and not ended:
                continue
            track.seq += 1
            self.bodies.append(self._update(track, ended))
            track.points = []
            if ended:
                del self._open[key]

    def _update(self, track: _Track, ended: bool) -> TrackletUpdate:
        start = START.timestamp()
        embedding = None
        if track.sums is not None:
            embedding = track.sums / np.float32(np.linalg.norm(track.sums))
        return TrackletUpdate(
            camera=self.name,
            run=RUN,
            track=track.number,
            seq=track.seq,
            start=start + track.start,
            end=start + track.end,
            path=Path.of(track.points),
            crops=track.crops,
            quality=track.quality,
            embedding=embedding,
            fingerprint=self._encoder.fingerprint,
            thumbnail=None,
            thumbnail_quality=0.0,
            ended=ended,
        )

    def _tell(self, time: float, frame: int, state: CameraState) -> None:
        moment = START.timestamp() + time
        self.bodies.append(Progress(self.name, RUN, moment, state, False, frame, frame))


if __name__ == "__main__":
    main()
