"""What `site.yaml` says of the ground between the cameras, ready to be asked."""

from __future__ import annotations

from pipeline.config import Topology as Declared


class Topology:
    """Which cameras see the same ground, and how long people take from one to another."""

    def __init__(self, declared: Declared) -> None:
        self._overlap = {frozenset(pair) for pair in declared.overlap}
        self._transit = {(t.from_, t.to): t.seconds for t in declared.transit}

    @property
    def has_transit(self) -> bool:
        """Whether the time of any way is declared."""
        return bool(self._transit)

    @property
    def longest(self) -> float:
        """The longest declared time of any way, in seconds; 0 where none is declared."""
        return max((seconds[1] for seconds in self._transit.values()), default=0.0)

    def exclusive(self, a: str, b: str) -> bool:
        """Whether nobody can be in both at the same time (in one camera: be two tracklets)."""
        return a == b or frozenset((a, b)) not in self._overlap

    def transit(self, origin: str, destination: str) -> tuple[float, float] | None:
        """The shortest and longest usual way in seconds; None where nothing is declared."""
        return self._transit.get((origin, destination))
