"""What names a request of the viewer, in log lines, in what it asks the matcher, and in traces.

It is 32 hexadecimal digits, which are the trace's number where there are traces. What is asked of
the matcher meanwhile is called ``REQUEST-NUMBER``, so that one finds the other.
"""

from __future__ import annotations

import secrets
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("request", default="")


def new_request() -> str:
    """Names the request that begins in this context."""
    name = secrets.token_hex(16)
    _current.set(name)
    return name


def new_question() -> str:
    """A name, used once, for what is asked of the matcher now."""
    return f"{_current.get() or secrets.token_hex(16)}-{secrets.token_hex(8)}"
