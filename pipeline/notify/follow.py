"""What is worth telling, from what the matcher commits.

A person is *seen* with the first tracklet, and *seen again* with one that begins ``absence``
seconds after the last one ended. Somebody who is *watched* for is told of on both occasions, and
with the first tracklet after the watch began. What was decided long after it was seen is no news.

Whose a tracklet is can change until it is told: when the matcher repairs, when people correct or
forget. So the outbox names tracklets, and who they show is looked up again.
"""

from __future__ import annotations

import threading

from ulid import ULID

from pipeline.config import OCCASIONS, Occasion, Site
from pipeline.notify.outbox import FILE, WATCHED, Note, Outbox, Place
from pipeline.notify.receivers import receiver_options
from pipeline.notify.sightings import Decision, Sighting, Sightings
from pipeline.store.connection import has_store


def begin(site: Site) -> None:
    """Whoever is seen from now on is told of. Does nothing where it has begun before.

    Raises:
        CamtrailError: the store or the outbox cannot be used.
    """
    if (site.data_dir / FILE).exists():
        return
    place = Place(0, 0, float("-inf"), 0)
    if has_store(site.store_url):
        sightings = Sightings(site)
        number = sightings.last_number()
        place = Place(number, number, sightings.tick(), sightings.times_forgotten())
        sightings.close()
    Outbox.create(site.data_dir, place)


class Follower:
    """Reads on in the store and fills the outbox. For any number of threads.

    Raises:
        CamtrailError, sqlalchemy.exc.DBAPIError, sqlite3.Error: from each method, where the store
            or the outbox cannot be used; nothing has changed then.
    """

    def __init__(self, site: Site, sightings: Sightings, outbox: Outbox) -> None:
        self._options = site.notify
        named = receiver_options(site).items()
        self._receivers = {
            occasion: [name for name, options in named if occasion in options.events]
            for occasion in OCCASIONS
        }
        self._sightings = sightings
        self._outbox = outbox
        self._lock = threading.Lock()

    def step(self, now: float) -> bool:
        """Reads the next decisions; whether there are more.

        Args:
            now: the time by the clock.
        """
        with self._lock, self._outbox.change():
            place = self._outbox.place()
            if (forgotten := self._sightings.times_forgotten()) != place.forgotten:
                # Numbers are given again, so all is read again; what was told stays told.
                self._drop_forgotten()
                place = Place(0, max(place.number, place.former), place.since, forgotten)
            part = self._sightings.decided(place.number, place.former, place.since)
            for decision in part.decisions:
                self._take(decision, now)
            since = max([place.since, *(decision.time for decision in part.decisions)])
            self._outbox.read_to(Place(part.up_to, place.former, since, forgotten))
            return part.up_to > place.number

    def review(self, note: Note) -> Sighting | None:
        """What a note tells of as it is now; None where there is nothing to tell any more."""
        with self._lock, self._outbox.change():
            sighting = self._sightings.find(note.key)
            if sighting is None:
                self._outbox.erase(note)
                return None
            if sighting.identity == note.identity:
                return sighting
            self._correct(note, sighting)
            return None

    def _take(self, decision: Decision, now: float) -> None:
        sighting = decision.sighting
        known = self._outbox.of_tracklet(sighting.key)
        for note in known:
            if note.identity != sighting.identity:
                self._correct(note, sighting)
        if sighting.identity is None or decision.time - sighting.end > self._options.absence:
            return
        if sighting.watched is None:
            self._outbox.unwatch(sighting.identity)
        news = []
        if not any(note.occasion != WATCHED for note in known):
            news.append(self._seen(sighting))
        if sighting.watched is not None and not any(note.occasion == WATCHED for note in known):
            news.append(self._watched(sighting))
        for new in news:
            if new is not None and (names := self._receivers[new.occasion]):
                self._outbox.put(new, names, now, self._options.max_queue)

    def _seen(self, sighting: Sighting, but: int = 0) -> Note | None:
        """What is told of a person's tracklet; None: nothing."""
        assert sighting.identity is not None
        told = self._outbox.told(sighting.identity, watched=False, but=but)
        if told is not None and sighting.start < told + self._options.absence:
            return None
        before = self._sightings.last_end_before(sighting)
        if before is None:
            return _note(sighting, "person.seen" if told is None else "person.seen_again", None)
        unseen = sighting.start - before
        if unseen < self._options.absence:
            return None
        return _note(sighting, "person.seen_again", unseen)

    def _watched(self, sighting: Sighting, but: int = 0) -> Note | None:
        """The same for somebody who is watched for."""
        assert sighting.identity is not None
        told = self._outbox.told(sighting.identity, watched=True, but=but)
        before = self._sightings.last_end_before(sighting)
        unseen = None if before is None else sighting.start - before
        if told is not None:
            if sighting.start < told + self._options.absence:
                return None
            if unseen is not None and unseen < self._options.absence:
                return None
        return _note(sighting, WATCHED, unseen)

    def _correct(self, note: Note, sighting: Sighting) -> None:
        """The tracklet shows somebody else, or it is undecided whom."""
        if sighting.identity is None:
            if self._outbox.waits(note):  # else it was told, and stays so
                self._outbox.erase(note)
            return
        judge = self._watched if note.occasion == WATCHED else self._seen
        new = judge(sighting, note.id) if note.occasion != WATCHED or sighting.watched else None
        if new is None:
            self._outbox.withdraw(note)
            self._outbox.rename(note, sighting.identity, note.occasion, note.unseen)
        else:
            self._outbox.rename(note, sighting.identity, new.occasion, new.unseen)

    def _drop_forgotten(self) -> None:
        for key in self._outbox.waiting_tracklets():
            if self._sightings.find(key) is None:
                for note in self._outbox.of_tracklet(key):
                    self._outbox.erase(note)


def _note(sighting: Sighting, occasion: Occasion, unseen: float | None) -> Note:
    assert sighting.identity is not None
    return Note(0, str(ULID()), occasion, sighting.identity, sighting.key, sighting.start, unseen)
