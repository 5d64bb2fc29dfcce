"""A bar on stderr for work that takes minutes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that is called with how much more was done.

    On a terminal a bar with the time left; elsewhere, a line every tenth.
    """
    if not sys.stderr.isatty():
        yield _Lines(what, total)
        return
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


class _Lines:
    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0

    def __call__(self, more: int) -> None:
        tenth = 10 * self._done // self._total
        self._done += more
        if 10 * self._done // self._total > tenth:
            print(f"{self._what}: {self._done} of {self._total}", file=sys.stderr, flush=True)
