"""A `camtrail run` with all its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.pipeline.bus.samples import wait_for


class Run:
    """A `camtrail run`, and what it says.

    Args:
        environment: beside that of this process.
        log: what it says; None: ``run.log`` beside ``site.yaml``.
    """

    def __init__(
        self,
        path: Path,
        *arguments: str,
        viewer: bool = False,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.log = log or path.with_name("run.log")
        options = [*arguments] if viewer else ["--no-viewer", *arguments]
        command = [sys.executable, "-m", "pipeline.cli", "run", str(path), *options]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--json-logs"],
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
            )

    def lines(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def pids(self, name: str) -> list[int]:
        """Of all lives of a process, by the log."""
        return [
            line["pid"]
            for line in self.lines()
            if line["event"] == "started" and line["process"] == name
        ]

    def kill_and_wait_for_restart(self, name: str) -> None:
        before = self.pids(name)
        os.kill(before[-1], signal.SIGKILL)
        assert wait_for(lambda: len(self.pids(name)) > len(before), 60)

    def listening(self) -> set[str]:
        """The addresses at which any of its processes takes what comes from a network."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        sockets = [each for process in family for each in process.net_connections("inet")]
        return {
            each.laddr.ip
            for each in sockets
            if each.status == psutil.CONN_LISTEN or (each.type == socket.SOCK_DGRAM and each.laddr)
        }

    def all_gone(self) -> bool:
        names = {line["process"] for line in self.lines() if line["event"] == "started"}
        return not any(_runs(pid) for name in names for pid in self.pids(name))

    def end(self, seconds: float = 60) -> None:
        self.process.kill()
        self.process.wait()
        assert wait_for(self.all_gone, seconds)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
