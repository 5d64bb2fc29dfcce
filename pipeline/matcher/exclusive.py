"""One matcher a data directory; the lease in Redis guards the site beyond it.

The kernel lets go of the lock when its owner dies. So whoever gets it knows that the one before is
dead, and need not wait until that one's lease has run out.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import CamtrailError
from pipeline.telemetry import get_logger

_POLL_SECONDS = 0.2
_MAX_TOKEN = 1024

READY = "another matcher decides; ready to take over"

log = get_logger(__name__)


class MatcherRunsError(CamtrailError):
    """A matcher has the data directory."""


class Ownership:
    """Of a data directory. Its lock file tells the next owner by which lease this one works."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def token(self) -> str:
        """That the last owner noted; empty where none did."""
        return os.pread(self._descriptor, _MAX_TOKEN, 0).decode(errors="replace")

    def note(self, token: str) -> None:
        """Leaves the token of a lease to the next owner."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, token.encode(), 0)


@contextmanager
def sole_owner(data_dir: Path, stop: threading.Event, standby: bool) -> Iterator[Ownership | None]:
    """Holds the directory's lock; gives None where ``stop`` was set before it was free.

    Raises:
        MatcherRunsError: another matcher has it and ``standby`` is not set.
        CamtrailError: it cannot be written.
    """
    path = data_dir / "matcher.lock"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CamtrailError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        if not _locked(descriptor):
            if not standby:
                raise MatcherRunsError(
                    f"{data_dir}: another matcher works on it; stop that one, or start this one "
                    "with --standby to take over when it ends"
                )
            log.info(READY)
            while not _locked(descriptor):
                if stop.wait(_POLL_SECONDS):
                    yield None
                    return
        yield Ownership(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
