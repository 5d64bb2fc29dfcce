"""What is known of the ground between the cameras, ready to be asked: what `site.yaml` says, and
what was learned of it while people were followed.
"""

from __future__ import annotations

import json

from pipeline.config import Topology as Declared
from pipeline.matcher.clocks import Clocks
from pipeline.matcher.company import Company
from pipeline.matcher.doors import Doors
from pipeline.matcher.placement import Placement
from pipeline.matcher.ways import Support, Ways
from pipeline.records import FloatArray


class Topology:
    """Which cameras see the same ground, and how long people take from one to another.

    Attributes:
        ways: how people were seen to go.
        doors: where in each picture they come and go.
        company: which views were seen to share their ground.
        clocks: by how much the cameras' clocks differ.
        placement: whether the cameras still hang where they hung.
    """

    def __init__(self, declared: Declared) -> None:
        self._overlap = {frozenset(pair) for pair in declared.overlap}
        self._transit = {(t.from_, t.to): t.seconds for t in declared.transit}
        self.ways, self.doors, self.company = Ways(), Doors(), Company()
        self.clocks, self.placement = Clocks(self._transit), Placement()

    @property
    def has_transit(self) -> bool:
        """Whether the time of any way is declared or learned."""
        return bool(self._transit) or self.ways.known

    @property
    def longest(self) -> float:
        """The longest declared time of any way, in seconds; 0 where none is declared."""
        return max((seconds[1] for seconds in self._transit.values()), default=0.0)

    def exclusive(self, a: str, b: str) -> bool:
        """Whether nobody can be in both at the same time (in one camera: be two tracklets)."""
        pair = frozenset((a, b))
        return a == b or not (pair in self._overlap or pair in self.company.shared)

    def declared(self, a: str, b: str) -> bool:
        """Whether `site.yaml` says that two cameras see the same ground."""
        return frozenset((a, b)) in self._overlap

    def transit(self, origin: str, destination: str) -> tuple[float, float] | None:
        """The shortest and longest usual way in seconds; None where nothing is declared."""
        return self._transit.get((origin, destination))

    def support(self, origin: str, destination: str, gap: float) -> Support:
        """What was learned of coming that way after ``gap`` seconds."""
        return self.ways.support(origin, destination, gap)

    def pass_by(self, camera: str, box: FloatArray, time: float, *, entry: bool) -> None:
        """That somebody came or went there: ``box`` (4,) is the first or the last. Of a camera that
        was moved, what was learned before counts little from then on.
        """
        if self.placement.learn(camera, box, time):
            for learned in (self.ways, self.doors, self.company, self.clocks):
                learned.forget(camera)
        self.doors.learn(camera, box, entry=entry)

    @property
    def state(self) -> str:
        """What was learned, as text, to go on from after a restart."""
        learned = {
            "ways": self.ways.state,
            "doors": self.doors.state,
            "company": self.company.state,
            "clocks": self.clocks.state,
            "placement": self.placement.state,
        }
        return json.dumps(learned, separators=(",", ":"))

    def resume(self, state: str) -> None:
        """Goes on from a former ``state``; '' is the beginning."""
        learned = json.loads(state) if state else {}
        self.ways = Ways.of(learned.get("ways", {}))
        self.doors = Doors.of(learned.get("doors", {}))
        self.company = Company.of(learned.get("company", {}))
        self.clocks.resume(learned.get("clocks", {}))
        self.placement = Placement.of(learned.get("placement", {}))
