"""Renders a simulated site to a folder: videos, truth, configuration."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import CamtrailError
from pipeline.simulate.people import sample_people
from pipeline.simulate.routes import CAMERA_NAMES, Camera, Plan, Visit, plan_site
from pipeline.simulate.stage import Stage
from pipeline.simulate.video import VideoWriter

START = datetime(2026, 1, 5, 8, 0, 0, tzinfo=UTC)
REPORT_EVERY = 10  # frames between two reports of progress


@dataclass(frozen=True)
class SiteOptions:
    """What to simulate. Raises CamtrailError for values out of range.

    `cameras` 1-16, `people` 1-200, `seconds` > 0, `fps` 1-60, `width` x `height` in pixels
    (even, 160-1920). `overlap`: the first two cameras see the same ground from two sides.
    """

    seed: int
    cameras: int = 3
    people: int = 12
    seconds: float = 60
    fps: float = 10
    overlap: bool = False
    width: int = 640
    height: int = 360

    def __post_init__(self) -> None:
        _within("seed", self.seed, 0, 2**63 - 1)
        _within("cameras", self.cameras, 1, len(CAMERA_NAMES))
        _within("people", self.people, 1, 200)
        _within("fps", self.fps, 1, 60)
        _within("seconds", self.seconds, 1 / self.fps, 24 * 3600)
        for name in ("width", "height"):
            value = getattr(self, name)
            _within(name, value, 160, 1920)
            if value % 2:
                raise CamtrailError(f"simulate: {name} must be even for H.264, not {value}")
        if self.overlap and self.cameras < 2:
            raise CamtrailError("simulate: --overlap needs at least 2 cameras")

    @property
    def frames(self) -> int:
        """Frames of each camera's video."""
        return max(1, round(self.seconds * self.fps))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise CamtrailError(f"simulate: {name} must be between {low:g} and {high:g}, not {value}")


Progress = Callable[[int, int], None]
Sighting = dict[str, Any]  # person, camera, enter, leave


def simulate_site(out: Path, options: SiteOptions, progress: Progress | None = None) -> Path:
    """Writes `NAME.mp4` and `NAME.gt.txt` a camera, `site.yaml` and `site.json` to `out`.

    The same options give the same bytes. A former simulation in `out` is replaced, with what was
    recorded of it in `data`. `progress` is called with (frames done, frames in all).
    Returns the path of `site.yaml`. Raises CamtrailError if `out` holds anything else.

    Each camera is rendered in a process of its own, started by spawn: a script must call this
    under `if __name__ == "__main__":`.
    """
    out = Path(out)
    _make_room(out)
    people = sample_people(options.seed, options.people)
    size = (options.width, options.height)
    plan = plan_site(options.seed, options.cameras, people, options.seconds, options.overlap, size)
    unfinished = out / ".rendering"
    try:
        unfinished.mkdir()
        sightings = _render(plan, options, unfinished, progress)
        _write_config(unfinished / "site.yaml", plan, options)
        _write_record(unfinished / "site.json", plan, options, sightings)
        # Last the file by which the folder is known as a whole simulation.
        for path in sorted(unfinished.iterdir(), key=lambda p: p.name == "site.json"):
            path.replace(out / path.name)
    except OSError as error:
        raise CamtrailError(f"simulate: cannot write to {out}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out / "site.yaml"


def _make_room(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CamtrailError(f"simulate: {out} is not a folder") from None
    except OSError as error:
        raise CamtrailError(f"simulate: cannot create {out}: {error.strerror}") from None
    shutil.rmtree(out / ".rendering", ignore_errors=True)
    if not any(out.iterdir()):
        return
    try:
        former = json.loads((out / "site.json").read_text())["simulation"]["files"]
        names = [str(name) for name in former]
    except (OSError, ValueError, KeyError, TypeError):
        raise CamtrailError(
            f"simulate: {out} is not empty and holds no former simulation; choose another folder"
        ) from None
    for name in names:
        if Path(name).name == name:  # never outside the folder
            (out / name).unlink(missing_ok=True)
    for folder in ("data", "crops"):
        shutil.rmtree(out / folder, ignore_errors=True)


# ---- rendering, a process a camera ----------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    camera: Camera
    visits: list[Visit]  # of the camera's place
    wall: float  # of the place's first camera, metres


_reports: Any = None  # the queue to the parent, set in each worker process


def _attach(reports: Any) -> None:
    global _reports
    _reports = reports


def _render(
    plan: Plan, options: SiteOptions, out: Path, progress: Progress | None
) -> list[Sighting]:
    jobs = [
        _Job(camera, [v for v in plan.visits if v.place == number], place.cameras[0].view.wall)
        for number, place in enumerate(plan.places)
        for camera in place.cameras
    ]
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    workers = min(len(jobs), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, context, _attach, (reports,)) as pool:
        futures = [pool.submit(_film, job, options, out) for job in jobs]
        _follow(futures, reports, options.frames * len(jobs), progress)
        found = [sighting for future in futures for sighting in future.result()]
    return sorted(found, key=lambda s: (s["person"], s["enter"], s["camera"]))


def _follow(
    futures: list[Future[list[Sighting]]], reports: Any, total: int, progress: Progress | None
) -> None:
    done = 0
    while not all(f.done() for f in futures):
        try:
            done += reports.get(timeout=0.1)
        except queue.Empty:
            continue
        if progress:
            progress(min(done, total), total)
    if progress:
        progress(total, total)


def _film(job: _Job, options: SiteOptions, out: Path) -> list[Sighting]:
    """Renders one camera's video and truth; gives who was seen from when to when (seconds)."""
    camera, visits = job.camera, job.visits
    stage = Stage(options.seed, camera.name, camera.view, camera.furniture)
    path = out / f"{camera.name}.mp4"
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    with (
        VideoWriter(path, options.width, options.height, options.fps) as video,
        path.with_suffix(".gt.txt").open("w", newline="\n") as truth,
    ):
        for number in range(options.frames):
            time = number / options.fps
            here = {
                v.walk.person.number: i
                for i, v in enumerate(visits)
                if v.walk.start <= time < v.walk.end
            }
            actors = [camera.localise(visits[i].walk.actor(time), job.wall) for i in here.values()]
            frame, seen = stage.shoot(actors)
            video.write(frame)
            for s in sorted(seen, key=lambda s: s.person):
                x1, y1, x2, y2 = s.box
                box = f"{x1:.1f},{y1:.1f},{x2 - x1:.1f},{y2 - y1:.1f}"
                truth.write(f"{number + 1},{s.person},{box},{s.counts:d},1,{s.visibility:.3f}\n")
                if s.counts:
                    first.setdefault(here[s.person], number)
                    last[here[s.person]] = number
            if _reports is not None and (number + 1) % REPORT_EVERY == 0:
                _reports.put(REPORT_EVERY)
    return [
        {
            "person": visits[i].walk.person.number,
            "camera": camera.name,
            "enter": first[i] / options.fps,
            "leave": last[i] / options.fps,
        }
        for i in first
    ]


# ---- what is written beside the videos -------------------------------------------------------


def _write_config(path: Path, plan: Plan, options: SiteOptions) -> None:
    start = START.isoformat()
    positions = plan.positions()
    cameras = {
        camera.name: {
            "source": f"{camera.name}.mp4",
            "start": start,
            "fps": options.fps,
            "position": positions[camera.name],
        }
        for place in plan.places
        for camera in place.cameras
    }
    pairs = [[c.name for c in place.cameras] for place in plan.places if len(place.cameras) > 1]
    transit = [
        {"from": one, "to": other, "seconds": [low, high]}
        for one, other, low, high in plan.windows()
    ]
    config = {
        "site": "simulated",
        "data_dir": "data",
        "redis": "embedded",
        "store": "sqlite",
        "cameras": cameras,
        "topology": {"overlap": pairs, "transit": transit},
        "recording": {"enabled": True},  # played from the videos; nothing is copied
    }
    text = yaml.safe_dump(config, sort_keys=False, default_flow_style=None)
    path.write_text(f"# Simulated with seed {options.seed}; the truth is in NAME.gt.txt.\n{text}")


def _write_record(path: Path, plan: Plan, options: SiteOptions, sightings: list[Sighting]) -> None:
    names = [camera.name for place in plan.places for camera in place.cameras]
    videos = [f"{name}.{suffix}" for name in names for suffix in ("mp4", "gt.txt")]
    record = {
        "simulation": {"files": [*videos, "site.yaml", "site.json"]},
        "options": asdict(options),
        "start": START.isoformat(),
        "people": [asdict(person) for person in plan.people],
        "visits": sightings,
        "transit": [
            {
                "from": plan.places[a].cameras[0].name,
                "to": plan.places[b].cameras[0].name,
                "walking_seconds": [round(way.low, 2), round(way.high, 2)],
            }
            for way in plan.ways
            for a, b in ((way.a, way.b), (way.b, way.a))
        ],
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
