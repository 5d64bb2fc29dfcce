"""One matcher a data directory; the lease in Redis guards the site beyond it."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import CamtrailError

_POLL_SECONDS = 0.5


class MatcherRunsError(CamtrailError):
    """A matcher has the data directory."""


@contextmanager
def sole_owner(data_dir: Path, stop: threading.Event, standby: bool) -> Iterator[bool]:
    """Holds the directory's lock; gives False where ``stop`` was set before it was free.

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
        while not _locked(descriptor):
            if not standby:
                raise MatcherRunsError(
                    f"{data_dir}: another matcher works on it; stop that one, or start this one "
                    "with --standby to take over when it ends"
                )
            if stop.wait(_POLL_SECONDS):
                yield False
                return
        yield True
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
