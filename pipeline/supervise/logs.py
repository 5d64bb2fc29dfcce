"""The log of a process: a file for each day (UTC), and none for longer than they are kept.

``NAME.log`` is what is written now, ``NAME.log.YYYY-MM-DD`` what was written on that day. The
process goes on writing to the same file, so it is copied and then emptied: what it writes in
between, some microseconds, is lost.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.retention.metrics import DELETED
from pipeline.telemetry import get_logger

MAX_LOG_BYTES = 10 * 2**20  # beyond which it is put aside at once, over what was there of that day

_OLD = re.compile(r"(?P<name>.+\.log)\.(?P<day>\d{4}-\d\d-\d\d)")

log = get_logger(__name__)


class Log:
    """One file, and those of its former days."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def due(self, now: float) -> bool:
        """Whether it is of a former day, or too large."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return found.st_size > MAX_LOG_BYTES or (
            found.st_size > 0 and _day(found.st_mtime) < _day(now)
        )

    def put_aside(self, now: float) -> bool:
        """Begins another one where that is due; whether it did.

        Raises:
            OSError: the disk takes nothing.
        """
        if not self.due(now):
            return False
        aside = self.path.with_name(f"{self.path.name}.{_day(self.path.stat().st_mtime)}")
        partial = aside.with_name(f"{aside.name}.partial")
        shutil.copyfile(self.path, partial)
        os.truncate(self.path, 0)
        partial.replace(aside)
        return True


def too_old(folder: Path, days: int | None, now: float) -> list[Path]:
    """Files of which the first line is older than so many days, and those of processes that there
    are no more.
    """
    if days is None or not folder.is_dir():
        return []
    last = _day(now) - timedelta(days)
    found = []
    for path in sorted(folder.iterdir()):
        match = _OLD.fullmatch(path.name)
        written = path.stat()
        day = _day(written.st_mtime)
        if match:
            with suppress(ValueError):  # a 31st of February
                day = date.fromisoformat(match["day"])
        if day <= last and written.st_size:  # an empty one may be that of a process with no news
            found.append(path)
    return found


class Logs:
    """The folder of all logs.

    Args:
        days: how long they are kept; None: for good.
    """

    def __init__(self, folder: Path, days: int | None) -> None:
        self._folder = folder
        self._days = days

    def expire(self, now: float) -> None:
        """Deletes what was written more than so many days ago, whoever wrote it.

        Raises:
            OSError: one cannot be deleted.
        """
        gone = too_old(self._folder, self._days, now)
        for path in gone:
            path.unlink(missing_ok=True)
        if gone:
            DELETED.labels("logs").inc(len(gone))
            log.info("deleted what was too old", kind="logs", number=len(gone))


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
