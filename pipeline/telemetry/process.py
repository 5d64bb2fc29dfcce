"""What a process does about its logs, metrics and traces while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pipeline.config import Site
from pipeline.telemetry.answer import answering
from pipeline.telemetry.logs import configure
from pipeline.telemetry.traces import tracing


@contextlib.contextmanager
def speaking(site: Site, name: str, json_logs: bool = False) -> Iterator[None]:
    """Logs and answers as ``name``, as ``telemetry`` in ``site.yaml`` says.

    Args:
        json_logs: log lines as JSON, also on a terminal.
    """
    configure(name, json=json_logs or None, level=site.telemetry.log_level)
    with answering(site.data_dir, name), tracing(site, name):
        yield
