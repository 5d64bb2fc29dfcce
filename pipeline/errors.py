"""The one exception that a user is meant to read."""

from __future__ import annotations


class CamtrailError(Exception):
    """What was wrong, where, and what to do about it, in one or a few lines.

    The command line prints the text to stderr and exits with status 2; no traceback is shown.
    """


class ContradictionError(CamtrailError):
    """What a person says contradicts what was seen. It is done all the same if it is said again
    with ``force``.
    """
