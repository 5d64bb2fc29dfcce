"""What people say holds: against the matcher, after a restart, at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.bus import EmbeddedServer, Keys, Request, Requests, ask, connect
from pipeline.config import Matcher, Site
from pipeline.correct import correct
from pipeline.errors import CamtrailError
from pipeline.matcher.corrections import Corrections
from pipeline.matcher.engine import Engine
from pipeline.matcher.service import run_matcher
from pipeline.records import Envelope, TrackletKey
from pipeline.store import Batch, Store, Verdict
from tests.pipeline.matcher.synthetic import scripts
from tests.pipeline.matcher.test_engine import mixed, restored
from tests.pipeline.matcher.test_service import Cameras, running, until

NOBODY = Matcher()  # type: ignore[call-arg]


class Desk:
    """An engine and its store, and somebody who says who is who."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.engine = restored(store, NOBODY)

    def feed(self, messages: Sequence[Envelope]) -> list[Verdict]:
        received = [r for m in messages if (r := self.engine.feed(m)) is not None]
        outcome = self.engine.advance()
        runs = self.engine.watermark.take_changed()
        self.store.commit(Batch(received, runs, outcome, self.engine.fingerprint))
        return outcome.verdicts

    def say(self, kind: str, **arguments: Any) -> dict[str, Any]:
        request = Request("0", kind, "ada", 7.0, 8.0, arguments)
        return Corrections(self.store, self.engine).carry_out(request)

    def whose(self) -> dict[TrackletKey, int]:
        return {v.key: i for i in self.identities() for v in self.store.visits(i)}

    def identities(self) -> list[int]:
        return [person.identity for person in self.store.identities()]


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with Store.open(f"sqlite:///{tmp_path / 'camtrail.sqlite'}") as store:
        yield Desk(store)


def messages(seed: int = 0) -> list[Envelope]:
    return mixed([script.envelopes() for script in scripts(seed)], [0, 1, 2] * 300)


def try_merge(desk: Desk, one: int, other: int) -> bool:
    try:
        desk.say("merge", identities=[one, other])
    except CamtrailError as error:
        assert "two places at once" in str(error)  # noqa: PT017 - it may also succeed
        return False
    return True


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), seed=st.integers(0, 3))
def test_what_was_said_holds_and_a_restart_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 's.sqlite'}"
    script, said = messages(seed), dict[TrackletKey, int]()
    with Store.open(url) as store:
        desk = Desk(store)
        at = 0
        while at < len(script):
            size = data.draw(st.integers(20, 120), label="messages")
            desk.feed(script[at : at + size])
            at += size
            known = desk.identities()
            if not known:
                continue
            one = data.draw(st.sampled_from(known), label="identity")
            kind = data.draw(st.sampled_from(["confirm", "merge", "split"]), label="kind")
            own = [list(v.key) for v in store.visits(one)]
            if kind == "confirm":
                desk.say("confirm", identity=one, tracklets=[])
            elif kind == "merge":
                other = data.draw(st.sampled_from(known), label="other")
                if other == one or not try_merge(desk, one, other):
                    continue
            elif len(own) > 1:
                desk.say("split", identity=one, tracklets=own[: len(own) // 2])
            else:
                continue
            touched = {tuple(key) for key in own}
            said |= {key: i for key, i in desk.whose().items() if key in touched or key in said}
            if data.draw(st.booleans(), label="restart"):
                again = Desk(store)
                follow = script[at : at + 60]
                assert str(advance(again.engine, follow)) == str(advance(desk.engine, follow))
                desk = Desk(store)
        whose = desk.whose()
    assert {key: whose[key] for key in said} == said


def advance(engine: Engine, messages: Sequence[Envelope]) -> list[Verdict]:
    for message in messages:
        engine.feed(message)
    return engine.advance().verdicts


def test_a_merge_is_written_down(desk: Desk) -> None:
    desk.feed(messages())
    one, other = mergeable(desk)
    desk.say("rename", identity=other, name="Grace")
    theirs = desk.store.visits(other)
    answer = desk.say("merge", identities=[other, one])
    assert (answer["identity"], answer["merged"]) == (one, other)
    assert other not in desk.identities()
    person = desk.store.identity(one)
    assert person.summary.name == "Grace"  # the one name that there was
    moved = [v for v in person.visits if v.key in {t.key for t in theirs}]
    assert {v.decision for v in moved} == {"corrected"}
    assert desk.engine.timelines.keys() >= {one}
    assert other not in desk.engine.timelines
    with pytest.raises(CamtrailError, match=f"no identity {other}"):
        desk.say("merge", identities=[one, other])
    log = query(desk, "SELECT author, action, detail FROM audit ORDER BY id")
    assert [(a, b) for a, b, _ in log] == [("ada", w) for w in ("split", "rename", "merge")]
    assert json.loads(log[2][2]) == {"into": one, "merged": other}
    assert "Grace" not in log[1][2]


def mergeable(desk: Desk) -> tuple[int, int]:
    """Two identities that may be one person: parts of one that had several tracklets."""
    several = next(i for i in desk.identities() if len(desk.store.visits(i)) > 1)
    key = list(desk.store.visits(several)[-1].key)
    return several, desk.say("split", identity=several, tracklets=[key])["new"]


def query(desk: Desk, text: str) -> list[Any]:
    with desk.store._engine.connect() as connection:
        return list(connection.exec_driver_sql(text))


def test_nobody_was_in_two_places(desk: Desk) -> None:
    desk.feed(messages())
    visits = {i: desk.store.visits(i) for i in desk.identities()}
    one, other = next(
        (i, j)
        for i, ours in visits.items()
        for j, theirs in visits.items()
        if i < j and any(a.start + 1 < b.end and b.start + 1 < a.end for a in ours for b in theirs)
    )
    before = desk.whose()
    with pytest.raises(CamtrailError, match=r"two places at once: .* overlap by \d+\.\d s"):
        desk.say("merge", identities=[one, other])
    assert desk.whose() == before


def test_what_cannot_be_said(desk: Desk) -> None:
    desk.feed(messages())
    (first, *_), before = desk.identities(), desk.whose()
    keys = [list(v.key) for v in desk.store.visits(first)]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("marry", {}, "unknown; there are: confirm, forget, merge, rename, split"),
        ("merge", {"identities": [first]}, "identities"),
        ("merge", {"identities": [first, first]}, "with itself"),
        ("merge", {"identities": [first, 999]}, "no identity 999"),
        ("split", {"identity": first, "tracklets": keys}, "not all"),
        ("split", {"identity": first, "tracklets": []}, "not none"),
        ("split", {"identity": first, "tracklets": [["gate", "x", 1]]}, "no tracklet of identity"),
        ("split", {"identity": "1", "tracklets": keys}, "identity"),
        ("rename", {"identity": first, "name": "x" * 201}, "1 to 200 characters"),
        ("rename", {"identity": 999, "name": "x"}, "no identity 999"),
        ("forget", {"identity": 999}, "no identity 999"),
        ("confirm", {"identity": first, "tracklets": [], "more": 1}, "more"),
        ("forget", {"identity": 2**70}, "identity"),
        ("merge", {"identities": [first, 2**70]}, "identities"),
        ("split", {"identity": first, "tracklets": [["gate", "x", 2**70]]}, "tracklets"),
    ]
    for kind, arguments, text in wrong:
        with pytest.raises(CamtrailError, match=text):
            desk.say(kind, **arguments)
    assert desk.whose() == before


def test_who_is_forgotten_leaves_nothing_and_does_not_come_back(desk: Desk, tmp_path: Path) -> None:
    script = messages()
    desk.feed(script[: len(script) // 2])
    gone = desk.identities()[-1]
    keys = {v.key for v in desk.store.visits(gone)}
    vectors = [p.embedding for p in desk.store.snapshot().prototypes if p.identity == gone]
    vectors += list(desk.engine.gallery.prototypes(gone).values())
    needles = [np.asarray(v, "<f2").tobytes() for v in vectors]
    assert needles
    files = [tmp_path / "camtrail.sqlite", tmp_path / "camtrail.sqlite-wal"]
    assert any(needle in file.read_bytes() for needle in needles for file in files)
    assert desk.say("forget", identity=gone) == {"identity": gone, "tracklets": len(keys)}
    for file in files:
        assert not any(needle in file.read_bytes() for needle in needles)
    desk.feed(script[len(script) // 2 :])  # some of their tracklets go on
    for again in (desk, Desk(desk.store)):
        assert gone not in again.engine.timelines
        assert not keys & again.engine._tracklets.keys()
        assert again.engine.new_number() > max(gone, *desk.identities())
    assert not keys & desk.whose().keys()
    rows = query(desk, "SELECT camera, run, track FROM tracklets")
    assert not keys & {TrackletKey(*row) for row in rows}
    assert desk.store.counts().duplicates == 0


def test_a_running_matcher_obeys_at_once(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        with running(run_matcher, site):
            for camera in "abc":
                cameras.put(camera)
            assert cameras.all_committed()
            client, keys = stack.enter_context(connect(site)), Keys(site.site)
            with Store.open(site.store_url, read_only=True) as store:
                first = store.identities()[0].identity
                told = ask(client, keys, "rename", "ada", {"identity": first, "name": "Alan"})
                assert told == {"identity": first, "name": "Alan"}
                assert store.identity(first).summary.name == "Alan"
                assert correct(site, "forget", "ada", {"identity": first})["identity"] == first
                assert first not in [p.identity for p in store.identities()]
            with pytest.raises(CamtrailError, match=f"no identity {first}"):
                ask(client, keys, "rename", "ada", {"identity": first, "name": "Alan"})
            whole = {"id": "1", "kind": "rename", "author": "a", "time": 1, "arguments": {}}
            texts = [json.dumps(whole | {"deadline": d}).encode() for d in ("5", None, [], True)]
            for junk in (b"", b"{", b"[]", b'{"id": 1}', b"\xff" * 100, *texts):
                client.xadd(keys.requests, {"m": junk})
            client.xadd(keys.requests, {"other": b"field"})
            until(lambda: client.xlen(keys.requests) == 0)


def test_nobody_answers(site: Site, server: EmbeddedServer) -> None:
    with connect(site) as client:
        keys = Keys(site.site)
        with pytest.raises(CamtrailError, match="did not answer within 0 s"):
            ask(client, keys, "rename", "ada", {}, seconds=0.05)
        assert client.xlen(keys.requests) == 1
        assert Requests(client, keys).take() == []  # its deadline is over
        assert client.xlen(keys.requests) == 0


def test_without_a_matcher_it_is_done_here(site: Site) -> None:
    with Store.open(site.store_url) as store:
        desk = Desk(store)
        desk.feed(messages())
        first = desk.identities()[0]
    answer = correct(site, "rename", None, {"identity": first, "name": "Alan"})
    assert answer["name"] == "Alan"
    assert correct(site, "forget", "ada", {"identity": first})["identity"] == first
    with sqlite3.connect(site.data_dir / "camtrail.sqlite") as rows:
        log = rows.execute("SELECT action FROM audit ORDER BY id").fetchall()
    assert log == [("rename",), ("forget",)]
    with pytest.raises(CamtrailError, match="there is no store yet"):
        correct(site.model_copy(update={"data_dir": site.data_dir / "x"}), "forget", None, {})
