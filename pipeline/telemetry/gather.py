"""The metrics of all processes that work on one ``data_dir``, as one answer for Prometheus."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import local
from pipeline.config import Site
from pipeline.telemetry.answer import LAST, SUFFIX, folder
from pipeline.telemetry.metrics import PREFIX, Described

ANSWER_SECONDS = 2.0  # in which a process has to answer; one that hangs does not
MAX_BYTES = 4 * 2**20
_AT_ONCE = 16
_COUNTED = ("counter", "histogram")  # what stays true of a process that has ended

# Of the host itself.
OWN = (
    Described(PREFIX + "process_up", "gauge", (), "Whether a process that is to run answers."),
    Described(PREFIX + "disk_free_bytes", "gauge", (), "Free bytes of the disk of data_dir."),
    Described(PREFIX + "disk_size_bytes", "gauge", (), "Bytes of the disk of data_dir."),
)


def gather(site: Site) -> bytes:
    """What all processes say, in Prometheus' text format; each sample with the labels ``site`` and
    ``process``.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(_families(site)))
    return generate_latest(registry)


class _Found:
    """What was found, for prometheus_client to write."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(site: Site) -> list[Metric]:
    own = folder(site.data_dir)
    names = sorted(path.stem for path in own.glob(f"*{SUFFIX}"))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        texts = dict(zip(names, threads.map(lambda name: ask(own, name), names), strict=True))
    families = {family.name: family for family in _of_host(site, texts)}
    found = [(name, family) for name, text in texts.items() for family in _parsed(text)]
    for name, text in _left(own, names).items():
        found += [(name, family) for family in _parsed(text) if family.type in _COUNTED]
    for name, family in found:
        labels = {"site": site.site, "process": name}
        known = families.setdefault(
            family.name, Metric(family.name, family.documentation, family.type)
        )
        for sample in family.samples:
            known.add_sample(sample.name, {**sample.labels, **labels}, sample.value)
    return list(families.values())


def _parsed(text: str) -> Iterable[Metric]:
    return text_string_to_metric_families(text)


def _left(own: Path, running: Iterable[str]) -> dict[str, str]:
    """The last answers of those that have ended, by name."""
    texts = {}
    for path in sorted(own.glob(f"*{LAST}")):
        if path.stem not in running:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                texts[path.stem] = path.read_text(encoding="utf-8")
    return texts


def ask(own: Path, name: str) -> str:
    """What the process ``name`` answers in the folder of the sockets; "" where it does not."""
    end, parts, size = time.monotonic() + ANSWER_SECONDS, [], 0
    with (
        contextlib.suppress(OSError, UnicodeDecodeError),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(ANSWER_SECONDS)
        with local.short_path(own, name + SUFFIX) as way:
            connection.connect(way)
        while part := connection.recv(2**16):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES or time.monotonic() > end:
                return ""
        return b"".join(parts).decode()
    return ""


def _of_host(site: Site, texts: dict[str, str]) -> list[Metric]:
    up, free, size = (Metric(own.name, own.meaning, own.kind) for own in OWN)
    for name, text in texts.items():
        up.add_sample(up.name, {"site": site.site, "process": name}, bool(text))
    with contextlib.suppress(OSError):
        disk = os.statvfs(site.data_dir)
        free.add_sample(free.name, {"site": site.site}, disk.f_bavail * disk.f_frsize)
        size.add_sample(size.name, {"site": site.site}, disk.f_blocks * disk.f_frsize)
    return [up, free, size]
