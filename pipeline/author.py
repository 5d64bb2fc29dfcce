"""Who acts: who has logged in to the viewer, else the user whose process this is."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipeline.errors import CamtrailError

_acting: ContextVar[str] = ContextVar("acting", default="")


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """What is done in here, also in threads begun for it, is done by ``name``."""
    before = _acting.set(name)
    try:
        yield
    finally:
        _acting.reset(before)


def logged_in() -> str:
    """The name of who acts.

    Raises:
        CamtrailError: the user of this process has none.
    """
    if name := _acting.get():
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, in a container
        raise CamtrailError("who says so? give --by NAME") from None
