"""`camtrail metrics`: what there is to be counted, and what was."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.config import Site, load_site, metrics_address
from pipeline.errors import CamtrailError
from pipeline.output import print_json
from pipeline.telemetry.endpoint import serving
from pipeline.telemetry.gather import OWN, gather
from pipeline.telemetry.metrics import DESCRIBED, Described

MODULES = (
    "pipeline.camera.metrics",
    "pipeline.inference.metrics",
    "pipeline.inference.shared.metrics",
    "pipeline.bus.metrics",
    "pipeline.matcher.metrics",
    "pipeline.notify.metrics",
    "pipeline.recording.metrics",
    "pipeline.retention.metrics",
    "pipeline.supervise.metrics",
    "pipeline.viewer.metrics",
)


def describe() -> list[Described]:
    """All that any process of ours may count, by name."""
    for module in MODULES:
        importlib.import_module(module)
    return sorted([*DESCRIBED, *OWN])


def load(path: Path) -> Site:
    """The site, of which no password is needed: nobody has to give us any."""
    return load_site(path, unset="a-variable-that-is-not-set")


def show(site: Site) -> None:
    """Prints what the processes say now, in Prometheus' text format."""
    sys.stdout.buffer.write(gather(site))
    sys.stdout.flush()


def show_meanings(as_json: bool) -> None:
    """Prints which metrics there are."""
    if as_json:
        print_json([one._asdict() for one in describe()])
        return
    table = Table(show_edge=False)
    for heading in ("metric", "kind", "labels", "meaning"):
        table.add_column(heading, overflow="fold")
    for one in describe():
        table.add_row(one.name, one.kind, ", ".join(one.labels), one.meaning)
    Console().print(table)


def serve(site: Site, listen: str, stop: threading.Event) -> None:
    """Serves them at ``HOST:PORT`` until ``stop`` is set; prints the address first.

    Raises:
        CamtrailError: it cannot listen there.
    """
    try:
        metrics_address(listen)
    except ValueError as error:
        raise CamtrailError(f"--listen {listen}: {error}") from None
    with serving(site, listen) as address:
        print(address, flush=True)
        stop.wait()
