"""Of somebody forgotten nothing stays on the disk: spools, Redis' file, database, crops."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.bus import EmbeddedServer, Publisher, connect
from pipeline.config import Site
from pipeline.correct import correct
from pipeline.matcher.service import run_matcher
from pipeline.records import TrackletKey, TrackletUpdate
from pipeline.store import Store
from tests.pipeline.matcher.synthetic import scripts
from tests.pipeline.matcher.test_service import groups, running, until

CUT = 12  # bytes; Redis may write a control byte between any 32


class Worker:
    """The publisher of one camera; each update brings a picture of its own."""

    def __init__(self, site: Site, script_index: int, fingerprint: str, stack: ExitStack) -> None:
        script = scripts(0)[script_index]
        self.publisher = stack.enter_context(Publisher(site, script.camera))
        script.run, script.fingerprint = self.publisher.run, fingerprint
        self._rng = np.random.default_rng(script_index)
        self._groups = [[self._with_picture(b) for b in g] for g in groups(script.envelopes())]
        self.updates = [b for g in self._groups for b in g if isinstance(b, TrackletUpdate)]

    def put(self, but: int = 0) -> None:
        while len(self._groups) > but:
            self.publisher.put(self._groups.pop(0))
        assert self.publisher.wait_committed(60)

    def put_more_of(self, key: TrackletKey) -> None:
        """As if the person had not left: another update, and the rest."""
        last = next(update for update in reversed(self.updates) if update.key == key)
        more = self._with_picture(replace(last, seq=last.seq + 1))
        assert isinstance(more, TrackletUpdate)
        self.updates.append(more)
        self._groups.insert(0, [more])
        self.put()

    def _with_picture(self, body: object) -> object:
        if not isinstance(body, TrackletUpdate):
            return body
        return replace(body, thumbnail=b"\xff\xd8" + self._rng.bytes(300))


def needles(update: TrackletUpdate) -> Iterator[bytes]:
    """Parts of its picture and its embedding, as they are sent."""
    assert update.thumbnail is not None
    assert update.embedding is not None
    for data in (update.thumbnail[2:], update.embedding.astype("<f2").tobytes()):
        yield from (data[at : at + CUT] for at in range(0, len(data) - CUT, CUT))


def found(site: Site, sought: set[bytes]) -> set[str]:
    """The files under ``data_dir`` that hold any of them."""
    while True:
        files = [path for path in site.data_dir.rglob("*") if path.is_file()]
        with suppress(FileNotFoundError):  # Redis has just replaced one: all is looked at again
            return {
                str(path.relative_to(site.data_dir))
                for path in files
                if any(part in data for data in [path.read_bytes()] for part in sought)
            }


def rewrite(site: Site) -> None:
    """Has Redis write its file anew, and waits for that."""
    with connect(site) as client:

        def idle() -> bool:
            state = client.info("persistence")
            return not (state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])

        until(idle)
        client.bgrewriteaof()
        until(idle)


def stored(site: Site) -> dict[TrackletKey, int]:
    with Store.open(site.store_url, read_only=True) as store:
        people = [store.identity(person.identity) for person in store.identities()]
    return {visit.key: p.summary.identity for p in people for visit in p.visits}


@pytest.mark.parametrize("matcher_runs", [True, False])
def test_nothing_of_the_forgotten_is_on_the_disk(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str], matcher_runs: bool
) -> None:
    with ExitStack() as stack:
        gone = ExitStack()  # workers that have ended
        first = Worker(site, 0, encoder[1], stack)
        others = [Worker(site, index, encoder[1], gone) for index in (1, 2)]
        with running(run_matcher, site):
            first.put(but=20)  # so that the others are not decided before it begins
            for worker in others:
                worker.put()
            first.put(but=1)
            until(lambda: any(key.camera == "a" for key in stored(site)))
            gone.close()
            person = next(who for key, who in stored(site).items() if key.camera == "a")
            if matcher_runs:
                forget_and_look(site, server, person, first, [*others, first])
        if not matcher_runs:
            forget_and_look(site, server, person, None, [*others, first])


def forget_and_look(
    site: Site, server: EmbeddedServer, person: int, going_on: Worker | None, all_: list[Worker]
) -> None:
    keys = {key for key, who in stored(site).items() if who == person}
    sought = {n for w in all_ for u in w.updates if u.key in keys for n in needles(u)}
    in_view = next(key for key in keys if key.camera == "a")
    rest = {n for w in all_ for u in w.updates if u.key not in keys for n in needles(u)}
    before = found(site, sought)
    assert {name.partition("/")[0] for name in before} >= {"spool", "redis", "crops"}
    assert any(name.startswith("camtrail.sqlite") for name in before)
    if going_on is None:
        server.stop()  # the site is not running
    correct(site, "forget", "ada", {"identity": person})
    if going_on is None:
        server.start()
    else:
        going_on.put_more_of(in_view)
        sought |= set(needles(going_on.updates[-1]))
    rewrite(site)
    with sqlite3.connect(site.data_dir / "camtrail.sqlite", timeout=30) as store:
        store.execute("VACUUM")
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    deadline = time.monotonic() + 120
    while left := found(site, sought):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    assert {name.partition("/")[0] for name in found(site, rest)} >= {"crops"}
