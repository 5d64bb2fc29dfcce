"""`camtrail record` and `camtrail replay` as the command line calls them."""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from pipeline.config import Site, load_site
from pipeline.disk import partial_of
from pipeline.errors import CamtrailError
from pipeline.output import duration, print_json
from pipeline.people import parse_time
from pipeline.replay.file import Recording
from pipeline.replay.record import record_bus, record_store
from pipeline.replay.run import SOURCE, Progress, Replayed, replay, settings_of
from pipeline.store import Store

SITE_FILE = "site.yaml"
_FOLLOWING = "recording what comes; Ctrl-C ends it"
_MARK = "# Replayed by camtrail; the decisions are in data/."


def run_record(
    site: Site, out: Path, since: str | None, until: str | None, *, as_json: bool
) -> None:
    """Records what is in the store, and says what there is."""
    now = time.time()
    begin = -math.inf if since is None else parse_time(since, now, "--since")
    end = math.inf if until is None else parse_time(until, now, "--until")
    record_store(site, out, begin, end)
    _tell_recording(out, as_json=as_json)


def run_follow(site: Site, out: Path, stop: threading.Event, *, as_json: bool) -> None:
    """Records what comes, and says what came."""
    record_bus(site, out, stop, lambda: print(_FOLLOWING, file=sys.stderr, flush=True))
    _tell_recording(out, as_json=as_json)


def run_replay(file: Path, site_file: Path | None, out: Path | None, *, as_json: bool) -> None:
    """Replays a recording, and says what came of it.

    Raises:
        CamtrailError: the file is no recording; the site lacks a camera; ``out`` is no folder that
            may be written.
    """
    recording = Recording(file)
    began = time.perf_counter()
    result = _replay_into(recording, site_file, out)
    took = time.perf_counter() - began
    if as_json:
        print_json({**asdict(result), "took": round(took, 2), "out": out})
        return
    print(
        f"{duration(result.seconds)} replayed in {took:.1f} s "
        f"({result.seconds / max(took, 1e-9):,.0f} times as fast)\n"
        f"{result.tracklets} tracklets, {result.identities} identities, "
        f"{result.undecided} undecided, {result.late} updates late\n"
        f"decisions {result.decisions[:16]}"
    )
    if result.foreign:
        print(f"left out: {result.foreign} updates of another encoder")
    if out is not None:
        print(f"Next: camtrail evaluate {out / SITE_FILE} --truth DIR")


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """On stderr, where that is a terminal."""
    columns = (TextColumn(title), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell_recording(out: Path, *, as_json: bool) -> None:
    summary = Recording(out).summary
    size = out.stat().st_size
    if as_json:
        print_json({"file": out, "bytes": size, **summary.model_dump()})
        return
    updates = sum(summary.updates.values())
    print(
        f"{updates} updates of {len(summary.updates)} cameras, {duration(summary.seconds)}, "
        f"{size / 1e6:.1f} MB: {out}\n"
        "It holds who was where and embeddings of them, no pictures: protect it."
    )


def _replay_into(recording: Recording, site_file: Path | None, out: Path | None) -> Replayed:
    given = load_site(site_file) if site_file else recording.header
    if out is None:
        with progress_bar("Replaying") as progress:
            return replay(recording, settings_of(given, Path()), progress=progress)[0]
    partial = partial_of(out)
    for folder in (out, partial):
        _check_out(folder)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        settings = settings_of(given, partial / "data")
        _write_settings(partial / SITE_FILE, settings)
        with Store.open(settings.store_url) as store, progress_bar("Replaying") as progress:
            result, _ = replay(recording, settings, store, progress)
        shutil.rmtree(out, ignore_errors=True)
        partial.replace(out)
    except OSError as error:
        raise CamtrailError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return result


def _check_out(out: Path) -> None:
    """A former replay may be replaced, nothing else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        ours = (out / SITE_FILE).read_text(encoding="utf-8").startswith(_MARK)
    except OSError:
        ours = False
    if not ours:
        raise CamtrailError(f"{out}: holds something else than a replay; choose another folder")


def _write_settings(path: Path, site: Site) -> None:
    settings = {
        "site": site.site,
        "cameras": {name: {"source": SOURCE} for name in site.cameras},
        **site.model_dump(mode="json", by_alias=True, include={"topology", "matcher"}),
    }
    text = yaml.safe_dump(settings, sort_keys=False, default_flow_style=None)
    path.write_text(f"{_MARK}\n{text}", encoding="utf-8")
