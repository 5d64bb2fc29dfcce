"""What has to change at once so that an answer about two tracklets holds.

As little as can be: who is who beyond the two is the matcher's to say, which may move them later as
it may move anybody, but together, or apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import CamtrailError
from pipeline.matcher.engine import Engine
from pipeline.matcher.links import Links
from pipeline.matcher.presence import CLOCK_TOLERANCE
from pipeline.matcher.topology import Topology
from pipeline.records import TrackletKey
from pipeline.store import Holding, Move, StoredVisit


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tracklets: all of its identity, and those that people say are one with it."""

    key: TrackletKey
    identity: int
    held: Sequence[Holding]
    group: Sequence[Holding]

    @staticmethod
    def of(key: TrackletKey, held: Sequence[Holding], links: Links) -> Side:
        """From what its identity holds."""
        group = [h for h in held if h.visit.key in links.group(key)]
        return Side(key, held[0].visit.identity, held, group)


def put_together(one: Side, other: Side, engine: Engine) -> tuple[Move | None, str]:
    """What makes two tracklets one person: the identities become one where that can be; else one of
    the two goes to the identity of the other. Also gives what speaks against it.

    Raises:
        CamtrailError: a person said otherwise before.
    """
    if other.key in engine.links.apart(one.key):
        raise CamtrailError(
            f"{one.key} and {other.key} are two people, as somebody said; take that back first"
        )
    if one.identity == other.identity:
        return None, ""
    older, younger = sorted((one, other), key=lambda side: side.identity)
    moves = [(younger.held, older), (one.group, other), (other.group, one)]
    free = [(moved, to) for moved, to in moves if not any(holding.said for holding in moved)]
    if not free:
        raise CamtrailError(
            f"people said that {one.key} is identity {one.identity} and {other.key} is identity "
            f"{other.identity}: merge the two, or take that back first"
        )
    against = [_against(moved, to.held, engine) for moved, to in free]
    best = against.index("") if "" in against else len(free) - 1
    moved, to = free[best]
    former = moved[0].visit.identity
    return Move([h.visit.key for h in moved], former, to.identity), against[best]


def take_apart(one: Side, other: Side, engine: Engine) -> Move | None:
    """What makes two tracklets two people: the first becomes somebody new.

    Raises:
        CamtrailError: a person said otherwise before.
    """
    if other.key in engine.links.group(one.key):
        raise CamtrailError(
            f"{one.key} and {other.key} are one person, as somebody said; take that back first"
        )
    if one.identity != other.identity:
        return None
    for side in (one, other):
        if not any(holding.said for holding in side.group):
            keys = [h.visit.key for h in side.group]
            return Move(keys, side.identity, engine.new_number())
    raise CamtrailError(
        f"people said that {one.key} and {other.key} are identity {one.identity}: split it, or "
        "take that back first"
    )


def two_places(
    ours: Sequence[StoredVisit], theirs: Sequence[StoredVisit], topology: Topology
) -> str:
    """How two identities were in two places at once; empty where they were not."""
    active: list[StoredVisit] = []
    ahead = topology.clocks.ahead
    by_one_clock = [
        replace(v, start=v.start - off, end=v.end - off) if off else v
        for v in (*ours, *theirs)
        for off in (ahead.get(v.key.camera, 0.0),)
    ]
    for visit in sorted(by_one_clock, key=lambda v: v.start):
        active = [v for v in active if v.end > visit.start + CLOCK_TOLERANCE]
        for other in active:
            together = min(visit.end, other.end) - visit.start
            if (
                other.identity != visit.identity
                and together > CLOCK_TOLERANCE
                and topology.exclusive(visit.key.camera, other.key.camera)
            ):
                return (
                    f"{visit.identity} and {other.identity} were in two places at once: "
                    f"{visit.key} and {other.key} overlap by {together:.1f} s"
                )
        active.append(visit)
    return ""


def _against(moved: Sequence[Holding], held: Sequence[Holding], engine: Engine) -> str:
    """Why tracklets cannot go to an identity; empty where nothing speaks against it."""
    there = {holding.visit.key for holding in held}
    for holding in moved:
        for key in sorted(engine.links.apart(holding.visit.key) & there):
            return f"{holding.visit.key} and {key} are two people, as somebody said"
    return two_places([h.visit for h in moved], [h.visit for h in held], engine.topology)
