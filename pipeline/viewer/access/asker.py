"""Who asks: known to all that is done for a request, in whichever thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from pipeline import author
from pipeline.viewer.access.roles import Role


@dataclass(frozen=True)
class Credentials:
    """What a request brings; empty: nothing."""

    session: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Asker:
    """Somebody who was let in.

    Attributes:
        login: False where nobody has to log in.
        csrf: what requests of this session that change something have to carry; empty where they
            come from no browser that keeps a login.
    """

    name: str
    role: Role
    login: bool = True
    csrf: str = field(default="", repr=False)
    credentials: Credentials = Credentials()


_NOBODY = Asker("", Role.VIEWER)
_asker: ContextVar[Asker] = ContextVar("asker", default=_NOBODY)


@contextmanager
def asking(asker: Asker) -> Iterator[None]:
    """What is done in here is done for ``asker``."""
    before = _asker.set(asker)
    try:
        with author.acting_as(asker.name):
            yield
    finally:
        _asker.reset(before)


def current() -> Asker:
    """Who asks now; on the page of the login somebody without a name."""
    return _asker.get()
