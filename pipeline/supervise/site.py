"""Runs a site: what surrounds the supervisor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from pipeline import telemetry
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.supervise.supervisor import Supervisor
from pipeline.telemetry.answer import answering, clear
from pipeline.telemetry.endpoint import serving

_TICK_SECONDS = 0.1

log = telemetry.get_logger(__name__)


def run_site(
    site: Site,
    site_path: Path,
    until_end: bool,
    json_logs: bool = False,
    with_viewer: bool = True,
) -> int:
    """Runs the site until it is told to stop (SIGTERM, Ctrl-C) or, with ``until_end``, until all
    its files are read and everybody in them is decided.

    Args:
        site_path: the file that ``site`` was read from, for the processes.
        json_logs: log lines as JSON, and no table, also on a terminal.
        with_viewer: the viewer as well, unless the site's settings say that it is not wanted.

    Returns:
        The exit status: 0, or 1 where not all of a file could be read.

    Raises:
        CamtrailError: another one runs this site, Redis cannot be started or refuses us,
            ``until_end`` can never come, or the matcher cannot run.
        KeyboardInterrupt: Ctrl-C a second time; everything is killed.
    """
    live = [name for name, camera in site.cameras.items() if camera.live]
    if until_end and live:
        raise CamtrailError(
            f"--until-end: {', '.join(live)} is live and never ends; "
            "leave --until-end out, or run a site.yaml of files only"
        )
    stop = _stop_on_signals()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_only_one(site))
        display = stack.enter_context(_display(site, json_logs))
        _serve_metrics(stack, site)
        supervisor = Supervisor(site, site_path, until_end, with_viewer and site.viewer.enabled)
        try:
            supervisor.start()
            while not stop.is_set() and not supervisor.finished():
                supervisor.poll()
                if display is not None:
                    display.update(supervisor.table())
                stop.wait(_TICK_SECONDS)
            supervisor.stop()
        finally:
            supervisor.kill()
        return supervisor.result()


def _serve_metrics(stack: contextlib.ExitStack, site: Site) -> None:
    """Of all processes; where nobody can be answered, the site runs all the same."""
    clear(site.data_dir)
    stack.enter_context(answering(site.data_dir, "run"))
    if site.telemetry.metrics == "off":
        return
    try:
        address = stack.enter_context(serving(site, site.telemetry.metrics))
    except CamtrailError as error:
        log.error("nobody can read the metrics", error=str(error))
    else:
        log.info("metrics are served", address=address)


@contextlib.contextmanager
def _only_one(site: Site) -> Iterator[None]:
    """Holds the data directory: two supervisors would start everything twice."""
    path = site.data_dir / "run.lock"
    try:
        site.data_dir.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise CamtrailError(f"{site.data_dir}: cannot be used as data_dir: {error}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CamtrailError(
                f"{site.data_dir}: another `camtrail run` (process {file.read().strip() or '?'}) "
                "uses this data_dir; stop it first"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def _display(site: Site, json_logs: bool) -> Iterator[Live | None]:
    """The live table where there is a terminal, with the log lines above it; else only those."""
    if json_logs or not sys.stderr.isatty():
        telemetry.configure("run", json=json_logs or None, level=site.telemetry.log_level)
        yield None
        return
    with Live(console=Console(stderr=True), refresh_per_second=4) as live:
        # Now that the table has taken stderr over.
        telemetry.configure("run", json=False, level=site.telemetry.log_level)
        yield live


def _stop_on_signals() -> threading.Event:
    """Set by the first SIGTERM or Ctrl-C; the second interrupts whatever is going on."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop
