"""The one exception that a user of this package is meant to read."""

from __future__ import annotations


class EncoderError(Exception):
    """What was wrong with an encoder, where, and what to do about it, in one or a few lines."""
