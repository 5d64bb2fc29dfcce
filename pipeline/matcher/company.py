"""Which cameras see the same ground, learned from who is seen in two of them at once.

Where two views share no ground, whoever is in one of them at the same time as somebody in the other
is another person, and looks it. Where they share it, most have their double in the other view. That
many are dressed alike is told from the views that certainly show different people: tracklets of one
camera at one time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MEMORY = 200  # tracklets with company in the other view, after which old ones count less
_ENOUGH = 12  # such tracklets, before anything is said
FOUND, LOST = 0.5, 0.25  # share with a double from which on ground is shared, and is not any more
CONFUSED = 0.2  # share with a double in their own camera beyond which looks say nothing

Pair = tuple[str, str]  # in order; a camera with itself is what is certainly two people
State = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """Tracklets that were not alone at their time in two views, and those of them with a double."""

    together: int = 0
    doubles: int = 0

    @property
    def share(self) -> float:
        return self.doubles / self.together if self.together else 0.0


class Company:
    """Counts by pair of cameras.

    Attributes:
        shared: the pairs that are found to see the same ground.
    """

    def __init__(self) -> None:
        self._tallies: dict[Pair, Tally] = {}
        self.shared: set[frozenset[str]] = set()

    def learn(self, one: str, other: str, *, double: bool) -> None:
        """That a tracklet of ``one`` was in view together with others of ``other``, and whether it
        looked like one of these.
        """
        first, second = sorted((one, other))
        pair = first, second
        tally = self._tallies.setdefault(pair, Tally())
        tally.together += 1
        tally.doubles += double
        if tally.together >= _MEMORY:
            tally.together, tally.doubles = tally.together // 2, tally.doubles // 2
        if one != other:
            self._judge(pair, tally)

    def forget(self, camera: str) -> None:
        """Nothing that was seen in this camera holds any more."""
        self._tallies = {p: t for p, t in self._tallies.items() if camera not in p}
        self.shared = {pair for pair in self.shared if camera not in pair}

    def tallies(self) -> dict[Pair, Tally]:
        """All counts, by pair."""
        return dict(sorted(self._tallies.items()))

    @property
    def state(self) -> State:
        """As plain data, to go on from after a restart."""
        return {
            "tallies": [[*pair, t.together, t.doubles] for pair, t in self.tallies().items()],
            "shared": sorted(sorted(pair) for pair in self.shared),
        }

    @staticmethod
    def of(state: State) -> Company:
        """The inverse of ``state``."""
        company = Company()
        for one, other, together, doubles in state.get("tallies", ()):
            company._tallies[one, other] = Tally(together, doubles)
        company.shared = {frozenset(pair) for pair in state.get("shared", ())}
        return company

    def _judge(self, pair: Pair, tally: Tally) -> None:
        cameras = frozenset(pair)
        if cameras in self.shared:
            if tally.together >= _ENOUGH and tally.share < LOST:
                self.shared.remove(cameras)
            return
        certain = [self._tallies.get((camera, camera), Tally()) for camera in pair]
        seen = sum(t.together for t in certain)
        confused = sum(t.doubles for t in certain) / seen if seen else 0.0
        if tally.together >= _ENOUGH and tally.share >= FOUND and confused <= CONFUSED:
            self.shared.add(cameras)
