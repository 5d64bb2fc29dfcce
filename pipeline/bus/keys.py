"""The names of a site's keys, and the text form of a position."""

from __future__ import annotations

from pipeline.records import Position

BEGINNING = Position("", 0)  # before every message


class Keys:
    """The names of one site's keys in Redis."""

    group = "matcher"

    def __init__(self, site: str) -> None:
        self._prefix = f"camtrail:{{{site}}}:"
        self.tracklets = self._prefix + "tracklets"
        self.dead_letters = self._prefix + "dead-letters"
        self.committed = self._prefix + "committed"
        self.matcher = self._prefix + "matcher"
        self.lease = self._prefix + "lease"
        self.forgotten = self._prefix + "forgotten"
        self.requests = self._prefix + "requests"

    def health(self, camera: str) -> str:
        """The hash in which the worker of ``camera`` says how it is."""
        return f"{self._prefix}health:{camera}"

    def reply(self, request: str) -> str:
        """The list at which somebody waits for the answer to a request."""
        return f"{self._prefix}reply:{request}"

    def watched(self, camera: str) -> str:
        """There while somebody watches ``camera``; expires."""
        return f"{self._prefix}watched:{camera}"

    def live(self, camera: str) -> str:
        """The channel of its frames, as `pipeline.bus.preview` describes them."""
        return f"{self._prefix}live:{camera}"


def format_position(position: Position) -> str:
    """``RUN:NUMBER``."""
    return f"{position.run}:{position.number}"


def parse_position(text: str | bytes) -> Position:
    """The inverse of `format_position`. Raises ValueError."""
    run, _, number = (text.decode() if isinstance(text, bytes) else text).rpartition(":")
    return Position(run, int(number))
