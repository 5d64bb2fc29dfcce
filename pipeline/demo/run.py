"""The stages of the demo: simulate, run, evaluate, draw the page."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
from rich.console import Console
from rich.progress import Progress

from pipeline.child import spawn
from pipeline.config import Site, load_site
from pipeline.demo.page import write_page
from pipeline.demo.tap import Tap
from pipeline.errors import CamtrailError
from pipeline.evaluate.command import evaluate_site, print_tables
from pipeline.evaluate.evaluation import Evaluation
from pipeline.output import plain, print_json
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.store import Store

PAGE = "report.html"
RESULT = "demo.json"


@dataclass(frozen=True)
class Delivery:
    """What the workers published, counted in the stream, beside what the store holds.

    ``unobserved`` counts messages that the workers numbered and that the count in the stream
    missed: 0, or the count is not complete.
    """

    frames_in_files: int
    frames_decoded: int
    updates_published: int
    updates_committed: int
    lost: int
    duplicated: int
    unobserved: int
    cameras_ended: int

    def problems(self, cameras: int) -> list[str]:
        """What a run must not show, in words."""
        checks = [
            (self.lost, f"{self.lost} published updates are not in the store"),
            (self.duplicated, f"{self.duplicated} updates are in the store twice"),
            (self.unobserved, f"{self.unobserved} messages were not seen in the stream"),
            (
                self.frames_decoded != self.frames_in_files,
                f"{self.frames_decoded} of {self.frames_in_files} frames were decoded",
            ),
            (
                self.cameras_ended != cameras,
                f"{self.cameras_ended} of {cameras} cameras came to the end of their file",
            ),
        ]
        return [text for wrong, text in checks if wrong]


def run_demo(out: Path, options: SiteOptions, *, as_json: bool) -> int:
    """Runs all stages in ``out``; 0, or 1 where something was lost, doubled or not decoded.

    Raises:
        CamtrailError: ``out`` holds something else, or a stage failed.
    """
    watch = Stopwatch()
    _clear(out)
    with watch.stage("simulate"):
        site = load_site(_simulate(out, options))
    with watch.stage("run"):
        tap = _run(site, out)
    with watch.stage("evaluate"):
        evaluation = evaluate_site(site, out)
        delivery = count(site, tap)
    result = {
        **evaluation.summary(),
        **asdict(delivery),
        "seed": options.seed,
        "cameras": options.cameras,
    }
    with watch.stage("page"):
        write_page(out / PAGE, site, out, evaluation, result)
    result |= {"seconds": watch.total, "stages": watch.stages, "page": str(out / PAGE)}
    (out / RESULT).write_text(json.dumps(plain(result), indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        _tell(evaluation, delivery, watch, out)
    problems = delivery.problems(options.cameras)
    for problem in problems:
        print(f"camtrail: {problem}", file=sys.stderr)
    return 1 if problems else 0


class Stopwatch:
    """Seconds of wall clock by stage."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.stages: dict[str, float] = {}

    @property
    def total(self) -> float:
        return round(time.perf_counter() - self._began, 2)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.stages[name] = round(time.perf_counter() - began, 2)


def count(site: Site, tap: Tap) -> Delivery:
    """What was published beside what is in the store."""
    with Store.open(site.store_url, read_only=True) as store:
        counts, cameras = store.counts(), store.cameras()
    return Delivery(
        frames_in_files=sum(count_frames(Path(c.source)) for c in site.cameras.values()),
        frames_decoded=sum(camera.frames for camera in cameras),
        updates_published=tap.updates,
        updates_committed=counts.updates - counts.duplicates,
        lost=max(tap.updates - (counts.updates - counts.duplicates), counts.missing)
        + sum(camera.dropped for camera in cameras),
        duplicated=counts.duplicates,
        unobserved=tap.unseen,
        cameras_ended=len(tap.ended),
    )


def count_frames(path: Path) -> int:
    """The frames of a video, by decoding it with another library than the worker's."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _clear(out: Path) -> None:
    """Removes what a former demo added to its simulation, which replaces its own files itself."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        json.loads((out / "site.json").read_text())["simulation"]  # else it is not ours
        for name in (PAGE, RESULT):
            (out / name).unlink(missing_ok=True)


def _simulate(out: Path, options: SiteOptions) -> Path:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"filming {options.people} people with {options.cameras} cameras")
        return simulate_site(
            out, options, lambda done, total: bar.update(task, completed=done, total=total)
        )


def _run(site: Site, out: Path) -> Tap:
    """Runs `camtrail run` to the end of the files; its words go to stderr."""
    options = ["--until-end", "--no-viewer"]
    command = [sys.executable, "-m", "pipeline.cli", "run", str(out / "site.yaml"), *options]
    tap = Tap(site)
    tap.start()
    process = spawn(command, sys.stderr.fileno())
    try:
        status = process.wait()
    finally:
        if process.poll() is None:  # we are interrupted: it stops its own processes in order
            process.terminate()
            process.wait()
        tap.stop()
    if status:
        raise CamtrailError(
            f"`camtrail run` ended with status {status}; its logs are in {site.data_dir / 'logs'}"
        )
    return tap


def _tell(evaluation: Evaluation, delivery: Delivery, watch: Stopwatch, out: Path) -> None:
    console = Console()
    print_tables(evaluation, console)
    stages: dict[str, Any] = watch.stages
    console.print(
        f"\n{delivery.frames_decoded} of {delivery.frames_in_files} frames decoded; "
        f"{delivery.updates_published} updates published, {delivery.updates_committed} in the "
        f"store, {delivery.lost} lost, {delivery.duplicated} twice.\n"
        f"{watch.total:.0f} s: "
        + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in stages.items())
        + f"\nWho was where, with pictures: {out / PAGE}\n"
        f"Look further: camtrail identities {out / 'site.yaml'}",
        highlight=False,
        soft_wrap=True,
    )
