"""The demo's page: who was where by our account, beside the truth. One file, nothing loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from pipeline.config import Site
from pipeline.demo.pictures import Shot, crop_uri, liveliest_shot
from pipeline.evaluate.confusion import VISIT_GAP
from pipeline.evaluate.evaluation import Evaluation, frame_times
from pipeline.evaluate.truth import Truth, read_truth
from pipeline.keyring import Keyring
from pipeline.output import local_time
from pipeline.store import IdentityDetail, Store, TrackRow

CROPS_SHOWN = 8
_GOLDEN_ANGLE = 137.508  # degrees: hues that stay apart however many there are


@dataclass(frozen=True)
class Bar:
    """Somebody in a camera: ``left`` and ``width`` in thousandths of the time shown."""

    left: float
    width: float
    person: int | None
    title: str


Lanes = dict[str, list[Bar]]  # by camera


@dataclass(frozen=True)
class Span:
    """The time that the page shows, in seconds since the epoch."""

    start: float
    end: float

    def bar(self, start: float, end: float, person: int | None, what: str) -> Bar:
        scale = 1000 / max(self.end - self.start, 1e-9)
        title = f"{what}: {start - self.start:.1f} to {end - self.start:.1f} s"
        return Bar((start - self.start) * scale, max((end - start) * scale, 2), person, title)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places in thousandths, and seconds since the start, at most 8 of them."""
        length = self.end - self.start
        step = next(s for s in (5, 10, 20, 30, 60, 120, 300, 600, 1e9) if length / s <= 8)
        return [(1000 * t / length, f"{t:.0f} s") for t in np.arange(0, length + 1e-6, step)]


@dataclass(frozen=True)
class Card:
    """One identity as the page shows it; ``person`` is the one it mostly is."""

    identity: int
    person: int | None
    merged: bool
    also: list[int]
    crops: list[tuple[str, str]]
    found: Lanes
    truth: Lanes


def write_page(
    path: Path, site: Site, truth_folder: Path, evaluation: Evaluation, result: Mapping[str, Any]
) -> None:
    """Writes the page for the store of ``site``."""
    truth = read_truth(truth_folder, site.cameras)
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        tracks = {camera: list(store.tracks(camera)) for camera in site.cameras}
        people = [store.identity(person.identity) for person in store.identities()]
    span = _span(tracks)
    lanes = _truth_lanes(truth, tracks, span)
    keyring = Keyring.of(site.encryption)
    cards = [
        _card(person, evaluation, span, lanes, list(site.cameras), keyring) for person in people
    ]
    shown = set(evaluation.person_of.values())
    text = _template().render(
        result=result,
        began=local_time(span.start),
        span=span,
        cards=cards,
        missed={person: lanes[person] for person in lanes if person not in shown},
        cameras=_cameras(site, tracks, evaluation),
        colour=_colour,
        per_camera=evaluation.per_camera,
    )
    path.write_text(text, encoding="utf-8")


def _span(tracks: Mapping[str, list[TrackRow]]) -> Span:
    times = [track.times for rows in tracks.values() for track in rows]
    if not times:
        return Span(0.0, 1.0)
    return Span(min(float(t[0]) for t in times), max(float(t[-1]) for t in times))


def _truth_lanes(
    truth: Mapping[str, Truth], tracks: Mapping[str, list[TrackRow]], span: Span
) -> dict[int, Lanes]:
    """For each person the times in view of each camera."""
    lanes: dict[int, Lanes] = {}
    for camera, rows in truth.items():
        people = rows.people
        times = frame_times(people.frames, tracks[camera])
        for person in np.unique(people.ids).tolist():
            lane = lanes.setdefault(person, {name: [] for name in truth})[camera]
            for start, end in _stretches(np.sort(times[people.ids == person])):
                lane.append(span.bar(start, end, person, f"person {person} in {camera}"))
    return dict(sorted(lanes.items()))


def _stretches(times: np.ndarray[Any, np.dtype[np.float64]]) -> Iterable[tuple[float, float]]:
    for part in np.split(times, np.flatnonzero(np.diff(times) > VISIT_GAP) + 1):
        yield float(part[0]), float(part[-1])


def _card(
    detail: IdentityDetail,
    evaluation: Evaluation,
    span: Span,
    lanes: Mapping[int, Lanes],
    cameras: list[str],
    keyring: Keyring,
) -> Card:
    identity = detail.summary.identity
    person = evaluation.person_of.get(identity)
    found: Lanes = {camera: [] for camera in cameras}
    for visit in detail.visits:
        whose = evaluation.person_of_tracklet.get(visit.key)
        what = f"{visit.camera}, " + ("nobody" if whose is None else f"person {whose}")
        found[visit.camera].append(span.bar(visit.start, visit.end, whose, what))
    pictured = [visit for visit in detail.visits if visit.crop is not None and visit.crop.exists()]
    others = [i for i, p in evaluation.person_of.items() if p == person and i != identity]
    return Card(
        identity=identity,
        person=person,
        merged=identity in evaluation.merged,
        also=sorted(others),
        crops=[
            (
                crop_uri(keyring.read(visit.crop)),
                f"{visit.camera}, {visit.start - span.start:.0f} s",
            )
            for visit in pictured[:CROPS_SHOWN]
            if visit.crop is not None
        ],
        found=found,
        truth=lanes.get(person, {}) if person is not None else {},
    )


def _cameras(
    site: Site, tracks: Mapping[str, list[TrackRow]], evaluation: Evaluation
) -> list[tuple[str, Shot, dict[int, int | None]]]:
    """Each camera's picture, and the person of each identity in it."""
    shots = []
    for name, camera in site.cameras.items():
        shot = liveliest_shot(Path(camera.source), tracks[name])
        if shot is not None:
            ids = [track.identity for track, _ in shot.tracks if track.identity is not None]
            shots.append((name, shot, {i: evaluation.person_of.get(i) for i in ids}))
    return shots


def _colour(person: int | None) -> str:
    """A colour for each person; grey for what is nobody."""
    if person is None:
        return "hsl(0 0% 55%)"
    # Two rings of lightness, since neighbouring hues are hard to tell apart.
    lightness = 46 if person % 2 else 58
    return f"hsl({person * _GOLDEN_ANGLE % 360:.0f} 70% {lightness}%)"


def _template() -> jinja2.Template:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.j2")
