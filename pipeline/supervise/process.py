"""One supervised process."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from pipeline.child import INCOMPLETE, spawn
from pipeline.config import redact
from pipeline.supervise.logs import Log
from pipeline.supervise.policy import RestartPolicy

_HEAD_BYTES = 512
_TAIL_BYTES = 8_192


class State(StrEnum):
    """Where a process stands."""

    WAITING = "restarting"
    RUNNING = "running"
    ENDED = "ended"
    QUARANTINED = "quarantined"
    STOPPED = "stopped"


class Process:
    """A program that is started again when it dies, its output in a log file.

    ``message`` is the last line that it wrote before it died, redacted. Exit status 0 is the end
    where ``ends`` (a file that was read), and a death like others where not; so is `INCOMPLETE`,
    of which ``incomplete`` and ``message`` tell.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, ends: bool) -> None:
        self.name = name
        self.policy = RestartPolicy()
        self.state = State.WAITING
        self.restarts = 0
        self.message = ""
        self.started = 0.0  # monotonic
        self.killed = False  # whether the present child was told to die at once
        self.incomplete = False  # whether it has ended, but something of it was lost
        self._command = command
        self._log = Log(log)
        self._ends = ends
        self._child: subprocess.Popen[bytes] | None = None
        self._began = 0  # where in the log the present child's output begins
        self._announced = ""
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child else None

    @property
    def announced(self) -> str:
        """The first line that it has written since it was started, where it still runs."""
        if self._child is None:
            return ""
        if not self._announced:
            first, end, _ = self._output(self._began, _HEAD_BYTES).partition("\n")
            self._announced = redact(_event(first.strip())) if end else ""
        return self._announced

    def poll(self) -> bool:
        """Starts it where that is due; whether it has died or ended since the last call."""
        now = time.monotonic()
        if self._child is None:
            if self.state in (State.WAITING, State.QUARANTINED) and now >= self._due:
                self._start()
            return False
        status = self._child.poll()
        if status is None:
            if now - self.started >= self.policy.fast:
                self.state = State.RUNNING  # whatever it was before, it lives
            return False
        self._child = None
        if self._ends and status in (0, INCOMPLETE):
            self.state, self.incomplete = State.ENDED, status == INCOMPLETE
            self.message = self._last_words() if self.incomplete else ""
            return True
        self._due = now + self.policy.died(now - self.started, status)
        self.state = State.QUARANTINED if self.policy.quarantined else State.WAITING
        self.message = self._last_words() or f"died with status {status}"
        return True

    def tend_log(self) -> None:
        """Begins another log where a day is over, or it is large.

        Raises:
            OSError: the disk takes nothing.
        """
        if self._log.due(time.time()):
            announced = self.announced  # before its line is elsewhere
            if self._log.put_aside(time.time()):
                self._began, self._announced = 0, announced

    def skip(self, message: str) -> None:
        """Does not start it: it has ended before."""
        self.state, self.message = State.ENDED, message

    def terminate(self) -> None:
        """Asks it to stop, and does not start it again."""
        if self.state is not State.ENDED:
            self.state = State.STOPPED
        if self._child is not None:
            self._child.terminate()

    def revive(self) -> None:
        """Lets `poll` start it again after `terminate`, unless it has ended."""
        if self.state is State.STOPPED:
            self.state, self._due = State.WAITING, 0.0

    def kill(self) -> None:
        """Kills it; `poll` then finds it dead."""
        if self._child is not None:
            self.killed = True
            self._child.kill()

    def stopped(self) -> bool:
        """Whether it is gone, after `terminate`."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        return self._child is None

    def _start(self) -> None:
        if self.started:
            self.restarts += 1
        self.started, self.killed = time.monotonic(), False
        try:
            self._log.path.parent.mkdir(parents=True, exist_ok=True)
            self._log.put_aside(time.time())
            with self._log.path.open("ab") as file:
                self._began, self._announced = file.tell(), ""
                self._child = spawn(self._command, file)
        except OSError as error:
            self._due = self.started + self.policy.died(0.0, -1)
            self.message = f"cannot be started: {error}"
            return
        if self.state is not State.QUARANTINED:
            self.state = State.RUNNING

    def _last_words(self) -> str:
        path = self._log.path
        size = path.stat().st_size if path.exists() else 0
        lines = self._output(max(self._began, size - _TAIL_BYTES), _TAIL_BYTES).split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return redact(_event(last).removeprefix("camtrail: ").strip())

    def _output(self, begin: int, size: int) -> str:
        """A part of the log; empty where it cannot be read."""
        try:
            with self._log.path.open("rb") as file:
                file.seek(begin)
                return file.read(size).decode(errors="replace")
        except OSError:
            return ""


def _event(line: str) -> str:
    """What a line of a structured log says; any other line as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    return ": ".join(str(entry[key]) for key in ("event", "error") if entry.get(key))
