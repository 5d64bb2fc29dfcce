"""What several commands take, and how they begin."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.config import Site

SiteFile = Annotated[Path, typer.Argument(metavar="SITE", help="The site.yaml to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Write log lines as JSON.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop when all files are read.")]
DEFAULT_SITE = Path("site.yaml")


def load(path: Path) -> Site:
    """The configuration; raises `CamtrailError` as `pipeline.config.load_site` does."""
    from pipeline.config import load_site

    return load_site(path)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a process can flush what it holds."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
