"""The one exception that a user of this package is meant to read."""

from __future__ import annotations


class TrainError(Exception):
    """What was wrong, where, and what to do about it, in one or a few lines.

    The command line prints the text to stderr and exits with status 2; no traceback is shown.
    """
