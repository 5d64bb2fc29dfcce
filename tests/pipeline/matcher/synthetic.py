"""A site as the matcher sees it: messages of cameras in which people walk, with known truth."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.config import Matcher, Transit
from pipeline.config import Topology as Declared
from pipeline.matcher.engine import Engine
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.records import (
    CameraState,
    Envelope,
    FloatArray,
    Path,
    Progress,
    TrackletKey,
    TrackletUpdate,
)

START = 1_767_600_000.0
FPS = 5
FINGERPRINT = "f" * 32
DIMENSION = 32


def unit(vector: FloatArray) -> FloatArray:
    """The vector at length 1, float32."""
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def like(base: FloatArray, noise: float, rng: np.random.Generator) -> FloatArray:
    """A unit vector of cosine about 1/sqrt(1 + noise^2) to ``base``."""
    other = unit(rng.standard_normal(len(base)))
    return unit(base + np.float32(noise) * other)


def at_cosine(base: FloatArray, cosine: float, rng: np.random.Generator) -> FloatArray:
    """A unit vector of exactly this cosine to ``base``."""
    other = rng.standard_normal(len(base))
    across = unit(other - (other @ base) * base)
    return unit(cosine * base + math.sqrt(1 - cosine**2) * across)


def run_id(camera: str, n: int = 0) -> str:
    """A run's name; later ones sort behind."""
    return f"01{n:04d}{camera.upper():0<20}"[:26]


@dataclass
class Walk:
    """One person in view of one camera, in seconds since START."""

    person: int
    camera: str
    start: float
    end: float
    embedding: FloatArray
    x: float = 100.0
    noise: float = 0.3  # of the first embedding, less and less later


@dataclass
class Script:
    """What a camera's worker would put, group by group.

    ``ended_after`` is how long after its last sight a tracklet is given up.
    """

    camera: str
    walks: Sequence[Walk]
    seconds: float
    rhythm: float = 1.0
    ended_after: float = 1.5
    run: str = ""
    live: bool = False
    fingerprint: str = FINGERPRINT
    truth: dict[TrackletKey, int] = field(default_factory=dict)

    def envelopes(self) -> list[Envelope]:
        """The messages of the whole run."""
        run = self.run or run_id(self.camera)
        bodies: list[TrackletUpdate | Progress] = [self._progress(run, 0.0, CameraState.STARTING)]
        sent: dict[int, float] = {}
        seqs: dict[int, int] = defaultdict(int)
        done: set[int] = set()
        moments = [self.rhythm * i for i in range(1, math.ceil(self.seconds / self.rhythm) + 1)]
        for moment in moments:
            final = moment == moments[-1]
            for track, walk in enumerate(self.walks, 1):
                if track in done or walk.start >= moment:
                    continue
                self.truth[TrackletKey(self.camera, run, track)] = walk.person
                ended = final or walk.end + self.ended_after < moment
                until = min(moment, walk.end)
                since = sent.get(track, walk.start - 1e-9)
                times = np.arange(math.ceil(walk.start * FPS), math.floor(until * FPS) + 1) / FPS
                times = times[times > since]
                if not len(times) and not ended:
                    continue
                seqs[track] += 1
                bodies.append(self._update(run, track, seqs[track], walk, times, until, ended))
                sent[track] = until
                if ended:
                    done.add(track)
            state = CameraState.ENDED if final else CameraState.RUNNING
            bodies.append(self._progress(run, moment, state))
        return [Envelope(number, body) for number, body in enumerate(bodies, 1)]

    def _update(
        self,
        run: str,
        track: int,
        seq: int,
        walk: Walk,
        times: FloatArray,
        until: float,
        ended: bool,
    ) -> TrackletUpdate:
        seen = until - walk.start
        rng = np.random.default_rng((track, seq))
        points = [
            (START + t, int(t * FPS) + 1, (x := walk.x + 40 * (t - walk.start), 50, x + 40, 150))
            for t in times.tolist()
        ]
        end = START + (float(times[-1]) if len(times) else until)
        return TrackletUpdate(
            camera=self.camera,
            run=run,
            track=track,
            seq=seq,
            start=START + walk.start,
            end=max(end, START + walk.start),
            path=Path.of(points),
            crops=1 + int(3 * seen),
            quality=0.5 * (1 + int(3 * seen)),
            embedding=like(walk.embedding, walk.noise / (1 + seen), rng),
            fingerprint=self.fingerprint,
            thumbnail=b"\xff\xd8jpeg" if seq == 1 else None,
            thumbnail_quality=0.5,
            ended=ended,
        )

    def _progress(self, run: str, moment: float, state: CameraState) -> Progress:
        frames = int(moment * FPS)
        return Progress(self.camera, run, START + moment, state, self.live, frames, frames)


def people(count: int, rng: np.random.Generator, alike: float = 0.0) -> list[FloatArray]:
    """Base embeddings, of mutual cosine about ``alike``."""
    common = unit(rng.standard_normal(DIMENSION))
    share = math.sqrt(alike)
    return [
        unit(share * common + math.sqrt(1 - alike) * unit(rng.standard_normal(DIMENSION)))
        for _ in range(count)
    ]


def scripts(
    seed: int, cameras: Sequence[str] = ("a", "b", "c"), persons: int = 5, seconds: float = 30.0
) -> list[Script]:
    """People who walk from camera to camera, 3 to 6 s in each, 3 s and more on the way."""
    rng = np.random.default_rng(seed)
    walks: dict[str, list[Walk]] = {camera: [] for camera in cameras}
    for person, base in enumerate(people(persons, rng, alike=0.3)):
        moment = float(rng.uniform(0, seconds / 2))
        while moment < seconds - 4:
            camera = str(rng.choice(list(cameras)))
            stay = float(rng.uniform(3, 6))
            embedding = like(base, float(rng.uniform(0.3, 0.9)), rng)
            end = min(moment + stay, seconds - 0.5)
            walks[camera].append(Walk(person, camera, moment, end, embedding))
            moment += stay + float(rng.uniform(3, 8))
    return [
        Script(camera, sorted(own, key=lambda w: w.start), seconds) for camera, own in walks.items()
    ]


def engine(cameras: Sequence[str] = ("a", "b", "c"), **options: object) -> Engine:
    """An engine with the default thresholds."""
    overlap = options.pop("overlap", ())
    transit = options.pop("transit", ())
    declared = Declared(
        overlap=overlap,  # type: ignore[arg-type]
        transit=tuple(
            Transit.model_validate({"from": f, "to": t, "seconds": s})
            for f, t, s in transit  # type: ignore[attr-defined]
        ),
    )
    config = Matcher(**options)  # type: ignore[arg-type]
    thresholds = Thresholds.of(config, 0.6, 0.5)
    return Engine(config, thresholds, cameras, Topology(declared), wait_for_all=True)
