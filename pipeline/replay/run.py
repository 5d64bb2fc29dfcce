"""Runs the matcher on a recording: as fast as it can, and always with the same decisions."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.config import Camera, Site
from pipeline.errors import CamtrailError
from pipeline.matcher.encoder import EncoderFacts, remember_facts
from pipeline.matcher.engine import Engine
from pipeline.matcher.service import make_engine
from pipeline.matcher.threads import keep_to_one_thread
from pipeline.records import Envelope, TrackletKey
from pipeline.replay.file import Header, Recording, without_places
from pipeline.store import Batch, Store, Verdict

BATCH = 1024  # messages that are decided on, and stored, at once
SOURCE = "recorded"  # stands where the cameras' pictures came from

Progress = Callable[[int, int], None]  # messages done, messages in all


@dataclass(frozen=True)
class Replayed:
    """What came of it.

    ``seconds`` is the time that the recording covers. ``undecided`` counts the tracklets that have
    an embedding and no identity; ``late`` and ``foreign`` the updates that came after their time
    was decided, and those of another encoder. ``decisions`` is a digest of every decision in its
    order, with its time and its reason: two replays that decide the same have the same.
    """

    messages: int
    updates: int
    seconds: float
    tracklets: int
    identities: int
    undecided: int
    late: int
    foreign: int
    decisions: str


class Ledger:
    """Who is who by what was decided so far.

    Attributes:
        who: by tracklet its identity and the event time at which it was decided.
    """

    def __init__(self) -> None:
        self.who: dict[TrackletKey, tuple[int, float]] = {}
        self._embedded: dict[TrackletKey, bool] = {}
        self._updates = 0
        self._digest = hashlib.sha256()

    def add(self, batch: Batch) -> None:
        """Takes over what a batch says."""
        for received in batch.updates:
            known = received.update.embedding is not None
            self._embedded[received.update.key] = known or self._embedded.get(
                received.update.key, False
            )
        self._updates += len(batch.updates)
        for verdict in batch.outcome.verdicts:
            self._digest.update(_as_bytes(verdict))
            self.who.pop(verdict.key, None)
            if verdict.assignment is not None:
                self.who[verdict.key] = (verdict.assignment.identity, verdict.time)

    @property
    def identities(self) -> dict[TrackletKey, int]:
        """By tracklet its identity."""
        return {key: identity for key, (identity, _) in self.who.items()}

    def result(self, engine: Engine, recording: Recording) -> Replayed:
        """The sum of it."""
        embedded = {key for key, known in self._embedded.items() if known}
        return Replayed(
            messages=recording.summary.messages,
            updates=self._updates,
            seconds=recording.summary.seconds,
            tracklets=len(self._embedded),
            identities=len(set(self.identities.values())),
            undecided=len(embedded - self.who.keys()),
            late=engine.inbox.late,
            foreign=engine.inbox.foreign,
            decisions=self._digest.hexdigest(),
        )


def settings_of(settings: Header | Site, data_dir: Path) -> Site:
    """What the matcher needs of a site, without pictures: that of a recording, or another."""
    return Site(
        site=settings.site,
        data_dir=data_dir,
        cameras={name: Camera(source=SOURCE) for name in settings.cameras},  # type: ignore[call-arg]
        topology=settings.topology,
        matcher=without_places(settings.matcher),
    )


def replay(
    recording: Recording,
    site: Site,
    store: Store | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[Replayed, Ledger]:
    """Decides on all that was recorded, with the settings of ``site``.

    Args:
        store: an empty one that takes it all; None keeps nothing.

    Raises:
        CamtrailError: ``site`` lacks a camera of the recording, or that is damaged.
    """
    engine, ledger, done = new_engine(recording, site), Ledger(), 0
    if store is not None:
        remember_facts(store, _facts(recording))
    for batch, count in decide_all(engine, recording.messages()):
        ledger.add(batch)
        if store is not None:
            store.commit(batch)
        done += count
        progress(done, recording.summary.messages)
    return ledger.result(engine, recording), ledger


def new_engine(recording: Recording, site: Site) -> Engine:
    """A matcher without a past that waits for the cameras that are in the recording.

    Raises:
        CamtrailError: ``site`` lacks one of them.
    """
    heard = recording.summary.updates
    for camera in heard:
        if camera not in site.cameras:
            raise CamtrailError(
                f"{recording.path}: has the camera '{camera}'; the site has only: "
                + ", ".join(site.cameras)
            )
    keep_to_one_thread()
    cameras = {name: camera for name, camera in site.cameras.items() if name in heard}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'empty.sqlite'}"
        with Store.open(url) as empty:
            heard_site = site.model_copy(update={"cameras": cameras})
            return make_engine(heard_site, empty, wait_for_all=True, facts=_facts(recording))


def decide_all(engine: Engine, messages: Iterable[Envelope]) -> Iterator[tuple[Batch, int]]:
    """What follows from the messages, and how many of them it follows from."""
    rest = iter(messages)
    while chunk := list(islice(rest, BATCH)):
        yield engine.take(chunk), len(chunk)


def _facts(recording: Recording) -> EncoderFacts:
    said = recording.header.encoder
    return EncoderFacts(said.fingerprint, said.accept, said.new)


def _as_bytes(verdict: Verdict) -> bytes:
    given = verdict.assignment
    word = None if given is None else (given.identity, given.decision, given.similarity)
    margin = None if given is None else given.runner_up
    reason = sorted((name, value) for name, value in verdict.reason.items())
    rest = (verdict.former, reason, verdict.rival, verdict.doubt)
    return json.dumps((str(verdict.key), verdict.time, word, margin, rest)).encode() + b"\n"
