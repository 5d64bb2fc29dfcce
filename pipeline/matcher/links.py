"""What people said of pairs of tracklets: must-links and cannot-links, and what follows from them.

Who is one person with one of two is so with the other too; and whoever is not one person with one
of them, is not with the other. Nothing else in the identities is bound by it. What somebody says of
whole identities (`Tracklet.said`) rules where the two contradict each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pipeline.records import TrackletKey
from pipeline.store import Link

Keys = frozenset[TrackletKey]


class Links:
    """All pairs of which somebody said something; as many as people answered."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}  # by the number of having said it
        self._whose: dict[TrackletKey, int | None] = {}
        self._groups: dict[TrackletKey, Keys] = {}
        self._apart: dict[TrackletKey, Keys] = {}

    def __contains__(self, key: TrackletKey) -> bool:
        return key in self._groups

    def resume(self, links: Iterable[Link], whose: Mapping[TrackletKey, int]) -> None:
        """Goes on from what the store has; ``whose`` are the identities of their tracklets."""
        self._links = {link.change: link for link in links}
        self._conclude()
        for key, identity in whose.items():
            self.place(key, identity)

    def add(self, link: Link, one: int, other: int) -> None:
        """Somebody said so of two tracklets, which have these identities."""
        self._links[link.change] = link
        self._conclude()
        self.place(link.one, one)
        self.place(link.other, other)

    def take_back(self, change: int) -> None:
        """Nobody said so."""
        if self._links.pop(change, None):
            self._conclude()

    def forget(self, keys: Collection[TrackletKey]) -> None:
        """Nothing is known of these tracklets any more."""
        gone = [n for n, link in self._links.items() if link.one in keys or link.other in keys]
        for change in gone:
            del self._links[change]
        if gone:
            self._conclude()

    def group(self, key: TrackletKey) -> Keys:
        """The tracklets that are one person with this one, which is among them."""
        return self._groups.get(key, frozenset((key,)))

    def apart(self, key: TrackletKey) -> Keys:
        """The tracklets that are not one person with this one."""
        return self._apart.get(key, frozenset())

    def place(self, key: TrackletKey, identity: int | None) -> None:
        """The identity that a tracklet has from now on, as `whose` gives it."""
        if key in self:
            self._whose[key] = identity

    def whose(self, key: TrackletKey) -> int | None:
        """The identity that a tracklet of which somebody said something has."""
        return self._whose.get(key)

    def _conclude(self) -> None:
        groups: dict[TrackletKey, Keys] = {}
        for link in self._links.values():
            for key in (link.one, link.other):
                groups.setdefault(key, frozenset((key,)))
            if link.same:
                whole = groups[link.one] | groups[link.other]
                groups |= dict.fromkeys(whole, whole)
        apart: dict[TrackletKey, Keys] = {}
        for link in self._links.values():
            if not link.same:
                one, other = groups[link.one], groups[link.other]
                apart |= {key: apart.get(key, frozenset()) | other for key in one}
                apart |= {key: apart.get(key, frozenset()) | one for key in other}
        self._groups, self._apart = groups, apart
        self._whose = {key: who for key, who in self._whose.items() if key in groups}
