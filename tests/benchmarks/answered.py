"""A person who knows the truth answers a share of the cases of which the matcher is not sure.

The cases are those of the viewer's review, in its order, and each answer is the correction that it
would make. The person looks every half minute of capture time, and answers as many as the share of
all cases that came up so far allows.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.bus import Request
from pipeline.errors import ContradictionError
from pipeline.matcher.corrections import Corrections
from pipeline.matcher.engine import Engine
from pipeline.records import Envelope, TrackletKey
from pipeline.store import Store
from pipeline.store.connection import open_database
from pipeline.viewer.catalogue import Catalogue
from pipeline.viewer.details import Details
from pipeline.viewer.review import Answer, Case, correction_for, find_cases

SHARE = 0.1
LOOKS = 30.0  # seconds of capture time between two looks

Who = dict[TrackletKey, tuple[int, float]]


def identities(
    engine: Engine, messages: list[Envelope], persons: Mapping[TrackletKey, int]
) -> tuple[Who, int, int]:
    """Identity of every tracklet and time of its first decision; how many cases there were, and how
    many were answered.

    Args:
        persons: who each tracklet truly is.
    """
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'camtrail.sqlite'}"
        with Store.open(url) as store:
            person = _Person(store, url, engine, persons)
            first: dict[TrackletKey, float] = {}
            looked = -math.inf
            for start in range(0, len(messages), 64):
                batch = engine.take(messages[start : start + 64])
                store.commit(batch)
                for verdict in batch.outcome.verdicts:
                    first.setdefault(verdict.key, verdict.time)
                if engine.now >= looked + LOOKS:
                    looked = engine.now
                    person.look()
            person.look()
            who = {key: (identity, first[key]) for key, identity in person.whose().items()}
            return who, len(person.seen), len(person.answered)


class _Person:
    def __init__(
        self, store: Store, url: str, engine: Engine, persons: Mapping[TrackletKey, int]
    ) -> None:
        self._store, self._persons = store, persons
        self._corrections = Corrections(store, engine)
        database = open_database(url, read_only=True)
        self._catalogue, self._details = Catalogue(database), Details(database, store.crops)
        self.seen: set[int] = set()  # tracklets that were asked about
        self.answered: set[int] = set()

    def look(self) -> None:
        """Answers as many cases as the share allows by now."""
        while True:
            cases = find_cases(self._catalogue.view(age=0.0), self._details)
            self.seen |= {case.about.tracklet for case in cases}
            open_cases = [case for case in cases if case.about.tracklet not in self.answered]
            if not open_cases or len(self.answered) + 1 > SHARE * len(self.seen):
                return
            self._answer(open_cases[0])

    def whose(self) -> dict[TrackletKey, int]:
        """Who is who, as it stands."""
        people = [person.identity for person in self._store.identities()]
        return {v.key: i for i in people for v in self._store.visits(i)}

    def _answer(self, case: Case) -> None:
        self.answered.add(case.about.tracklet)
        kind, arguments = correction_for(self._details, case, self._say(case))
        try:
            self._corrections.carry_out(Request("0", kind, "truth", 0.0, 0.0, arguments))
        except ContradictionError:  # some of what was matched to them is somebody else
            skip, key = correction_for(self._details, case, Answer.SKIP)
            self._corrections.carry_out(Request("0", skip, "truth", 0.0, 0.0, key))

    def _say(self, case: Case) -> Answer:
        """Whether the two tracklets that are shown are of one person."""
        own = self._persons.get(case.about.key)
        other = self._persons.get(self._details.keys([case.compared])[case.compared])
        if own is None or other is None:
            return Answer.SKIP
        return Answer.SAME if own == other else Answer.DIFFERENT
