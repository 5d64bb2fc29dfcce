"""What people say holds: against the matcher, after a restart, at once."""

from __future__ import annotations

import itertools
import json
import math
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
from pipeline.config import Topology as Declared
from pipeline.correct import correct
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.matcher.answers import two_places
from pipeline.matcher.corrections import Corrections
from pipeline.matcher.engine import Engine
from pipeline.matcher.service import run_matcher
from pipeline.matcher.topology import Topology
from pipeline.records import Envelope, TrackletKey
from pipeline.store import Batch, Link, Store, Verdict
from tests.pipeline.matcher.synthetic import Script, Walk, people, scripts
from tests.pipeline.matcher.test_engine import mixed, restored
from tests.pipeline.matcher.test_service import Cameras, running, until

NOBODY = Matcher()  # type: ignore[call-arg]


class Desk:
    """An engine and its store, and somebody who says who is who."""

    def __init__(self, store: Store, config: Matcher = NOBODY) -> None:
        self.store = store
        self.engine = restored(store, config)

    def feed(self, messages: Sequence[Envelope]) -> list[Verdict]:
        received = [r for m in messages if (r := self.engine.feed(m)) is not None]
        outcome = self.engine.advance()
        runs = self.engine.inbox.watermark.take_changed()
        self.store.commit(Batch(received, runs, outcome, self.engine.inbox.fingerprint))
        return outcome.verdicts

    def say(self, kind: str, author: str = "ada", **arguments: Any) -> dict[str, Any]:
        request = Request("0", kind, author, 7.0, 8.0, arguments)
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


def try_merge(desk: Desk, one: int, other: int, *, force: bool = False) -> bool:
    try:
        desk.say("merge", identities=[one, other], force=force)
    except ContradictionError as error:
        assert "two places at once" in str(error)  # noqa: PT017 - it may also succeed
        return False
    return True


def state(desk: Desk) -> dict[str, Any]:
    """All that corrections change, in the store and in the matcher's memory."""
    decided = "identity, decision, similarity, runner_up, decided_at, rival, doubt, prototype"
    known = {t.key: t for t in desk.engine.hand.all}
    return {
        "tracklets": query(desk, f"SELECT id, {decided} FROM tracklets ORDER BY id"),
        "identities": query(desk, "SELECT id, name, staff, watched FROM identities ORDER BY id"),
        "corrections": query(desk, "SELECT tracklet, identity, kind FROM corrections ORDER BY id"),
        "links": query(desk, "SELECT tracklet, other, same FROM links ORDER BY id"),
        "together": {key: desk.engine.links.group(key) for key in desk.whose()},
        "apart": {key: desk.engine.links.apart(key) for key in desk.whose()},
        "in_gallery": set(desk.engine.timelines),
        "gallery": {i: set(desk.engine.gallery.prototypes(i)) for i in desk.engine.timelines},
        "visits": {i: {v.key for v in t} for i, t in desk.engine.timelines.items()},
        "said": {key for key, tracklet in known.items() if tracklet.said},
        "given": {key: str(tracklet.assignment) for key, tracklet in known.items()},
    }


KINDS = ["confirm", "merge", "split", "rename", "staff", "watch", "same", "different"]


def try_something(desk: Desk, data: st.DataObject, kinds: Sequence[str] = KINDS) -> bool:
    """Says something, if it can be said."""
    known = desk.identities()
    one = data.draw(st.sampled_from(known), label="identity")
    kind = data.draw(st.sampled_from(kinds), label="kind")
    own = [list(v.key) for v in desk.store.visits(one)]
    if kind == "merge":
        other = data.draw(st.sampled_from(known), label="other")
        force = data.draw(st.booleans(), label="force")
        return other != one and try_merge(desk, one, other, force=force)
    if kind == "split":
        if len(own) > 1:
            desk.say("split", identity=one, tracklets=own[: len(own) // 2])
        return len(own) > 1
    if kind == "undo":
        return try_undo(desk)
    if kind in ("same", "different"):
        shown = data.draw(st.sampled_from(sorted(desk.whose())), label="tracklet")
        beside = own if data.draw(st.booleans(), label="together") else sorted(desk.whose())
        shown = TrackletKey(*own[0]) if beside is own else shown
        compared = TrackletKey(*data.draw(st.sampled_from(beside), label="compared with"))
        force = data.draw(st.booleans(), label="force")
        return shown != compared and try_answer(desk, kind, shown, compared, force=force)
    arguments: dict[str, dict[str, Any]] = {
        "confirm": {"tracklets": []},
        "rename": {"name": data.draw(st.sampled_from([None, "Ada", "Grace"]), label="name")},
        "staff": {"staff": data.draw(st.booleans(), label="staff")},
        "watch": {"reason": data.draw(st.sampled_from([None, "", "bag"]), label="reason")},
    }
    desk.say(kind, identity=one, **arguments[kind])
    return True


def try_answer(
    desk: Desk, kind: str, shown: TrackletKey, compared: TrackletKey, *, force: bool = False
) -> bool:
    before = state(desk)
    try:
        desk.say(kind, tracklets=[list(shown), list(compared)], force=force)
    except CamtrailError as error:
        said_before = "take that back first" in str(error)
        assert said_before or (isinstance(error, ContradictionError) and not force)  # noqa: PT017
        assert state(desk) == before
        return False
    whose = desk.whose()
    assert (whose[shown] == whose[compared]) is (kind == "same")
    return True


def try_undo(desk: Desk) -> bool:
    try:
        desk.say("undo", correction=None, administrator=False)
    except CamtrailError as error:
        assert "nothing of ada" in str(error) or "two places" in str(error)  # noqa: PT017
        return False
    return True


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), seed=st.integers(0, 3))
def test_what_was_said_holds_and_a_restart_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 's.sqlite'}"
    script = messages(seed)
    with Store.open(url) as store:
        desk = Desk(store)
        at, before = 0, dict[TrackletKey, int]()
        while at < len(script):
            size = data.draw(st.integers(20, 120), label="messages")
            desk.feed(script[at : at + size])
            at += size
            whose = desk.whose()
            assert {key: whose[key] for key in before} == before
            said = bool(whose) and try_something(desk, data, [*KINDS, "undo", "undo"])
            if said and data.draw(st.booleans(), label="restart"):
                again = Desk(store)
                follow = script[at : at + 60]
                assert str(advance(again.engine, follow)) == str(advance(desk.engine, follow))
                desk = Desk(store)
            before = pinned(desk)
            answers_hold(desk, set(before))


def answers_hold(desk: Desk, pinned: set[TrackletKey]) -> None:
    """As far as nothing was said of whole identities since."""
    whose, known = desk.whose(), desk.engine.links
    for key in whose.keys() - pinned:
        assert {whose[k] for k in known.group(key) - pinned} <= {whose[key]}
        assert whose[key] not in {whose[k] for k in known.apart(key) - pinned}
    assert {k: known.whose(k) for k in whose if k in known} == {
        k: whose[k] for k in whose if k in known
    }


def pinned(desk: Desk) -> dict[TrackletKey, int]:
    """What people said that still holds, of who is who."""
    rows = query(
        desk,
        "SELECT camera, run, track, t.identity FROM tracklets t JOIN corrections c "
        "ON c.tracklet = t.id AND c.identity = t.identity",
    )
    return {TrackletKey(camera, run, track): identity for camera, run, track, identity in rows}


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), seed=st.integers(0, 3))
def test_all_taken_back_is_as_if_nothing_had_been_said(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 's.sqlite'}"
    script = messages(seed)
    with Store.open(url) as store:
        desk = Desk(store)
        desk.feed(script[: data.draw(st.integers(100, len(script)), label="messages")])
        states = [state(desk)]
        for _ in range(data.draw(st.integers(1, 8), label="things said")):
            undoes = len(states) > 1 and data.draw(st.booleans(), label="take back")
            if undoes:
                desk.say("undo", correction=None, administrator=False)
                states.pop()
                assert without_new(state(desk)) == without_new(states[-1])
            elif try_something(desk, data):
                states.append(state(desk))
            if data.draw(st.booleans(), label="restart"):
                desk = Desk(store)
        while try_undo(desk):
            states.pop()
            assert without_new(state(desk)) == without_new(states[-1])
        assert len(states) == 1


def without_new(state: dict[str, Any]) -> dict[str, Any]:
    """An identity that was split off and taken back keeps its number, as nobody."""
    nobody = (None, 0, None)
    return state | {"identities": [row for row in state["identities"] if row[1:] != nobody]}


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
    with pytest.raises(CamtrailError, match=f"{other} is part of {one} now: ada merged them"):
        desk.say("merge", identities=[one, other])
    log = query(desk, "SELECT author, action, detail FROM audit ORDER BY id")
    assert [(a, b) for a, b, _ in log] == [("ada", w) for w in ("split", "rename", "merge")]
    assert json.loads(log[2][2])["identities"] == [one, other]
    assert "Grace" not in log[1][2]


def mergeable(desk: Desk) -> tuple[int, int]:
    """Two identities that may be one person: parts of one that had several tracklets."""
    several = next(i for i in desk.identities() if len(desk.store.visits(i)) > 1)
    key = list(desk.store.visits(several)[-1].key)
    return several, desk.say("split", identity=several, tracklets=[key])["new"]


def query(desk: Desk, text: str) -> list[Any]:
    with desk.store._engine.connect() as connection:
        return list(connection.exec_driver_sql(text))


def test_what_was_taken_back_is_written_down_and_shown(desk: Desk) -> None:
    desk.feed(messages())
    one, other = mergeable(desk)
    before, names = state(desk), [v.decision for v in desk.store.identity(one).visits]
    merge = desk.say("merge", identities=[one, other])["correction"]
    answer = desk.say("undo", correction=merge, administrator=False)
    assert answer == {
        "undone": merge,
        "kind": "merge",
        "identity": one,
        "other": other,
        "correction": merge + 1,
    }
    assert state(desk) == before == state(Desk(desk.store))
    assert [v.decision for v in desk.store.identity(one).visits] == names
    assert desk.store.identity(other).summary.tracklets == 1
    newest, undone, split = desk.store.history(3)
    assert (newest.kind.value, newest.undoes, newest.undoable) == ("undo", merge, False)
    assert (undone.number, undone.undone_by, undone.undoable) == (merge, newest.number, False)
    assert (split.kind.value, split.identity, split.other) == ("split", one, other)
    assert split.undoable
    assert desk.store.history(1, before=merge) == [split]
    rules = query(desk, "SELECT reason FROM events ORDER BY id DESC LIMIT 1")
    assert json.loads(rules[0][0]) == {"rule": "taken back by ada"}


def test_what_cannot_be_taken_back(desk: Desk) -> None:
    def refused(text: str, author: str = "ada", **arguments: Any) -> None:
        before = state(desk)
        with pytest.raises(CamtrailError, match=text):
            desk.say("undo", author, **{"correction": None, "administrator": False} | arguments)
        assert state(desk) == before

    desk.feed(messages())
    refused("nothing of ada to take back")
    _, other = mergeable(desk)
    (split,) = desk.store.history(1)
    refused("no correction 99; see `camtrail corrections`", correction=99)
    refused("is by ada: they or an administrator", author="grace", correction=split.number)
    refused("nothing of grace", author="grace")
    refused("correction", correction=2**70)
    renamed = desk.say("rename", identity=other, name="Grace")["correction"]
    named = rf"cannot be taken back before correction {renamed} \(rename of {other}\) by ada"
    refused(named, correction=split.number)
    done = desk.say("undo", "grace", correction=renamed, administrator=True)["correction"]
    refused(f"was taken back already, by {done}", correction=renamed)
    refused("say again what it took back", correction=done, administrator=True)
    desk.say("forget", identity=other)
    refused("somebody whom it is about was forgotten", correction=split.number)
    forgotten = desk.store.history(1)[0].number
    refused("what was forgotten is gone for good", correction=forgotten)
    assert [row for row in query(desk, "SELECT before FROM changes") if row[0] is not None] == []


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_split_is_taken_back_with_what_came_since_if_that_can_be(
    tmp_path: Path, seed: int
) -> None:
    script = messages(seed)
    with Store.open(f"sqlite:///{tmp_path / 's.sqlite'}") as store:
        desk = Desk(store)
        desk.feed(script[: 2 * len(script) // 3])
        one, other = mergeable(desk)
        desk.feed(script[2 * len(script) // 3 :])
        theirs = {i: {v.key for v in store.visits(i)} for i in (one, other)}
        if try_undo(desk):
            assert {v.key for v in store.visits(one)} == theirs[one] | theirs[other]
            assert other not in desk.identities()
        else:
            assert {i: {v.key for v in store.visits(i)} for i in (one, other)} == theirs


def test_marks_survive_a_merge_and_are_taken_back(desk: Desk) -> None:
    desk.feed(messages())
    one, other = mergeable(desk)
    desk.say("staff", identity=other, staff=True)
    desk.say("watch", identity=other, reason=" lost bag ")
    person = desk.store.identity(other).summary
    assert (person.staff, person.watched) == (True, "lost bag")
    desk.say("merge", identities=[one, other])
    person = desk.store.identity(one).summary
    assert (person.staff, person.watched) == (True, "lost bag")
    desk.say("undo", correction=None, administrator=False)
    marks = {p.identity: (p.staff, p.watched) for p in desk.store.identities()}
    assert (marks[one], marks[other]) == ((False, None), (True, "lost bag"))
    desk.say("watch", identity=other, reason=None)
    assert desk.store.identity(other).summary.watched is None
    desk.say("undo", correction=None, administrator=False)
    assert desk.store.identity(other).summary.watched == "lost bag"
    with pytest.raises(CamtrailError, match="at most 500 characters"):
        desk.say("watch", identity=other, reason="x" * 501)
    desk.say("forget", identity=other)
    rows = query(desk, f"SELECT staff, watched FROM identities WHERE id = {other}")
    assert rows == [(0, None)]


def test_what_was_doubtful_is_kept_until_it_is_skipped(desk: Desk) -> None:
    desk.feed(messages())
    asked = "SELECT camera, run, track, doubt FROM tracklets WHERE doubt IS NOT NULL ORDER BY id"
    doubts = query(desk, asked)
    assert len(doubts) > 1
    assert all(0 < row.doubt <= 1 for row in doubts)
    desk.say("skip", tracklet=list(doubts[0][:3]))
    assert query(desk, asked) == doubts[1:]
    with pytest.raises(CamtrailError, match="there is no tracklet a/x/1"):
        desk.say("skip", tracklet=["a", "x", 1])


def test_a_merge_keeps_to_the_bound_on_prototypes(tmp_path: Path) -> None:
    few = Matcher(prototypes=2)  # type: ignore[call-arg]
    everybody = people(4, np.random.default_rng(3))
    walks = [Walk(n, "a", 6.0 * n + 1, 6.0 * n + 5, base) for n, base in enumerate(everybody)]
    script = mixed(
        [Script(c, walks if c == "a" else [], 30).envelopes() for c in "abc"], [0, 1, 2] * 300
    )
    with Store.open(f"sqlite:///{tmp_path / 's.sqlite'}") as store:
        desk = Desk(store, few)
        desk.feed(script)
        assert desk.identities() == [1, 2, 3, 4]
        before = state(desk)
        for other in (2, 3, 4):
            desk.say("merge", identities=[1, other])
        held = desk.engine.gallery.prototypes(1)
        assert len(held) == 2
        again = Desk(store, few)
        assert again.engine.gallery.prototypes(1).keys() == held.keys()
        assert again.engine.take_outcome().prototypes == desk.engine.take_outcome().prototypes
        for _ in range(3):
            desk.say("undo", correction=None, administrator=False)
        assert state(desk) == before
        desk.say("merge", identities=[1, 2])
        desk.say("merge", identities=[1, 3])
        for _ in range(2):
            desk.say("undo", correction=None, administrator=False)
        store.commit(Batch((), (), desk.engine.take_outcome()))  # with what came before the undo
        assert state(desk) == state(Desk(store, few)) == before


def test_who_had_left_the_gallery_is_back_in_it_at_once(desk: Desk) -> None:
    desk.feed(messages())
    one, other = mergeable(desk)
    desk.engine._people.sweep(math.inf)
    desk.store.commit(Batch((), (), desk.engine.take_outcome()))
    assert not desk.engine.timelines.keys() & {one, other}
    desk.say("merge", identities=[one, other])
    held = desk.engine.gallery.prototypes(one)
    assert set(held) == {v.key for v in desk.store.visits(one)}
    again = Desk(desk.store).engine
    assert again.gallery.prototypes(one).keys() == held.keys()
    assert again.timelines.keys() == desk.engine.timelines.keys() == {one}
    desk.say("undo", correction=None, administrator=False)
    assert desk.engine.timelines.keys() == Desk(desk.store).engine.timelines.keys() == {one, other}


def at_once(desk: Desk) -> tuple[int, int]:
    """Two identities that were in two places at once."""
    visits = {i: desk.store.visits(i) for i in desk.identities()}
    return next(
        (i, j)
        for i, ours in visits.items()
        for j, theirs in visits.items()
        if i < j and any(a.start + 1 < b.end and b.start + 1 < a.end for a in ours for b in theirs)
    )


def test_who_was_in_two_places_is_asked_back(desk: Desk) -> None:
    desk.feed(messages())
    one, other = at_once(desk)
    before = desk.whose()
    with pytest.raises(ContradictionError, match=r"two places at once: .* overlap by \d+\.\d s"):
        desk.say("merge", identities=[one, other])
    assert desk.whose() == before
    with pytest.raises(CamtrailError, match="force"):
        desk.say("merge", identities=[one, other], force="yes")


def test_who_insists_is_obeyed_by_the_matcher_and_its_repair(desk: Desk) -> None:
    script = messages()
    desk.feed(script[: len(script) // 2])
    one, other = at_once(desk)
    before, whose = state(desk), desk.whose()
    both = {key for key, identity in whose.items() if identity in (one, other)}
    desk.say("merge", identities=[one, other], force=True)
    log = query(desk, "SELECT action, detail FROM audit ORDER BY id")
    assert [action for action, _ in log] == ["merge"]
    assert "were in two places at once" in json.loads(log[0][1])["against"]
    desk.say("undo", correction=None, administrator=False)
    assert state(desk) == before
    desk.say("merge", identities=[one, other], force=True)
    desk = Desk(desk.store)  # a restart forgets nothing of it
    desk.feed(script[len(script) // 2 :])
    assert {desk.whose()[key] for key in both} == {one}


def test_a_split_whose_parts_met_since_is_taken_back_by_who_insists(desk: Desk) -> None:
    desk.feed(messages())
    one, other = at_once(desk)
    theirs = [list(v.key) for v in desk.store.visits(other)]
    desk.say("merge", identities=[one, other], force=True)
    before = {v.key for v in desk.store.visits(one)}
    split = desk.say("split", identity=one, tracklets=theirs)["correction"]
    arguments = {"correction": split, "administrator": False}
    with pytest.raises(ContradictionError, match="two places at once"):
        desk.say("undo", **arguments)
    desk.say("undo", **arguments, force=True)
    assert {v.key for v in desk.store.visits(one)} == before


def test_what_a_person_says_is_one_teaches_nothing_of_two(desk: Desk) -> None:
    desk.feed(messages())
    known = {t.key: t for t in desk.engine.hand.all}
    one, other = (known[desk.store.visits(i)[0].key] for i in at_once(desk))
    other.visit.start, other.visit.end = one.visit.start, one.visit.end
    engine = Engine(NOBODY, None, "abc", Topology(Declared()))
    engine.hand.open = {one.key: one, other.key: other}
    other.assignment, one.said, other.said = one.assignment, True, True
    engine._learn([one], [other])
    assert engine._likeness._calibration.state == "[]"
    other.said = False
    engine._learn([one], [other])
    assert engine._likeness._calibration.state != "[]"


def doubtful(desk: Desk, *, together: bool) -> tuple[TrackletKey, TrackletKey]:
    """Two tracklets of one identity, or of two that were never in two places at once."""
    held = {i: desk.store.visits(i) for i in desk.identities()}
    if together:
        one, other, *_ = next(own for own in held.values() if len(own) > 2)
        return one.key, other.key
    return next(
        (ours[0].key, theirs[0].key)
        for ours, theirs in itertools.permutations(held.values(), 2)
        if len(ours) > 1 and not two_places(ours, theirs, desk.engine.topology)
    )


def test_an_answer_pins_nothing_but_the_two(desk: Desk) -> None:
    desk.feed(messages(4))
    one, other = doubtful(desk, together=True)
    for shown, compared in ((one, other), doubtful(desk, together=False)):
        before, whose = state(desk), desk.whose()
        for kind in ("same", "different"):
            answer = desk.say(kind, tracklets=[list(shown), list(compared)])
            now = desk.whose()
            assert (now[shown] == now[compared]) is (kind == "same")
            assert not state(desk)["said"]
            changed = {key for key in now if now[key] != whose[key]}
            assert len(changed) == answer["moved"]
            assert state(Desk(desk.store)) == state(desk)  # a restart forgets nothing
            (change,) = desk.store.history(1)
            assert (change.kind.value, change.tracklets, change.undoable) == (kind, 2, True)
            assert (change.other is not None) == bool(changed)
            desk.say("undo", correction=answer["correction"], administrator=False)
            assert without_new(state(desk)) == without_new(before)


def test_two_identities_become_one_by_an_answer_with_their_marks(desk: Desk) -> None:
    desk.feed(messages(4))
    one, other = mergeable(desk)
    desk.say("undo", correction=None, administrator=False)
    desk.say("rename", identity=one, name="Grace")
    shown, compared = (list(v.key) for v in desk.store.visits(one)[:2])
    new = desk.say("different", tracklets=[shown, compared])
    assert desk.store.identity(one).summary.name == "Grace"
    assert new["identity"] not in (one, other)
    desk.say("undo", correction=new["correction"], administrator=False)
    shown, compared = doubtful(desk, together=False)
    low, high = sorted((desk.store.owner(shown), desk.store.owner(compared)))
    desk.say("watch", identity=high, reason="bag")
    desk.say("same", tracklets=[list(shown), list(compared)])
    assert high not in desk.identities()
    assert desk.store.identity(low).summary.watched == "bag"
    with pytest.raises(CamtrailError, match=f"{high} is part of {low} now: ada merged them"):
        desk.say("rename", identity=high, name="Ada")


def test_an_answer_that_another_one_contradicts_is_refused(desk: Desk) -> None:
    desk.feed(messages())
    one, other = (list(key) for key in doubtful(desk, together=True))
    desk.say("same", tracklets=[one, other])
    with pytest.raises(CamtrailError, match="are one person, as somebody said; take that back"):
        desk.say("different", tracklets=[other, one])
    desk.say("undo", correction=None, administrator=False)
    desk.say("different", tracklets=[one, other])
    with pytest.raises(CamtrailError, match="are two people, as somebody said; take that back"):
        desk.say("same", tracklets=[other, one], force=True)


def test_an_answer_moves_nobody_who_was_confirmed(desk: Desk) -> None:
    desk.feed(messages())
    one, other = (list(key) for key in doubtful(desk, together=True))
    identity = desk.store.owner(TrackletKey(*one))
    desk.say("confirm", identity=identity, tracklets=[one])
    assert desk.say("different", tracklets=[one, other])["identity"] == identity
    desk.say("undo", correction=None, administrator=False)
    desk.say("confirm", identity=identity, tracklets=[other])
    with pytest.raises(CamtrailError, match=f"are identity {identity}: split it, or take that"):
        desk.say("different", tracklets=[one, other])
    ours, theirs = at_once(desk)
    pair = []
    for i in (ours, theirs):
        desk.say("confirm", identity=i, tracklets=[])
        pair.append(list(desk.store.visits(i)[0].key))
    with pytest.raises(CamtrailError, match="merge the two, or take that back first"):
        desk.say("same", tracklets=pair)


def test_who_was_in_two_places_by_an_answer_is_asked_back(desk: Desk) -> None:
    desk.feed(messages())
    one, other = at_once(desk)
    ours, theirs = desk.store.visits(one), desk.store.visits(other)
    shown, compared = next(
        (a.key, b.key)
        for a, b in itertools.product(ours, theirs)
        if two_places([a], [b], desk.engine.topology)
    )
    assert not try_answer(desk, "same", shown, compared)
    assert try_answer(desk, "same", shown, compared, force=True)


def test_what_was_answered_teaches_nothing_else(desk: Desk) -> None:
    """Two of whom somebody said that they are one are not learned from as two people."""
    desk.feed(messages())
    shown, compared = doubtful(desk, together=True)
    known = {t.key: t for t in desk.engine.hand.all}
    one, other = known[shown], known[compared]
    other.visit.start, other.visit.end = one.visit.start, one.visit.end
    engine = Engine(NOBODY, None, "abc", Topology(Declared()))
    engine.hand.open = {one.key: one, other.key: other}
    engine.links.add(Link(1, shown, compared, same=True), 1, 1)
    engine._learn([one], [other])
    assert engine._likeness._calibration.state == "[]"
    engine.links.take_back(1)
    engine._learn([one], [other])
    assert engine._likeness._calibration.state != "[]"


def test_who_is_forgotten_takes_the_answers_along(desk: Desk) -> None:
    desk.feed(messages(4))
    shown, compared = doubtful(desk, together=False)
    desk.say("different", tracklets=[list(shown), list(compared)])
    assert shown in desk.engine.links
    desk.say("forget", identity=desk.store.owner(compared))
    assert query(desk, "SELECT * FROM links") == []
    assert shown not in desk.engine.links
    assert shown not in Desk(desk.store).engine.links


def test_what_cannot_be_said(desk: Desk) -> None:
    desk.feed(messages())
    (first, *_), before = desk.identities(), desk.whose()
    keys = [list(v.key) for v in desk.store.visits(first)]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (
            "marry",
            {},
            "unknown; there are: confirm, different, forget, merge, rename, same, skip, split, "
            "staff, undo, watch",
        ),
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
        ("same", {"tracklets": keys[:1]}, "tracklets"),
        ("different", {"tracklets": [keys[0], ["gate", "x", 1]]}, "no tracklet gate/x/1"),
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
    desk.say("rename", identity=gone, name="Wolfgang")
    desk.say("watch", identity=gone, reason="left a violin case")
    desk.say("rename", identity=gone, name="Amadeus")  # what an undo needs names Wolfgang
    needles = [np.asarray(v, "<f2").tobytes() for v in vectors]
    assert needles
    needles += [b"Wolfgang", b"Amadeus", b"violin"]
    files = [tmp_path / "camtrail.sqlite", tmp_path / "camtrail.sqlite-wal"]
    found = b"".join(file.read_bytes() for file in files)
    assert [needle in found for needle in needles] == [True] * len(needles)
    answer = desk.say("forget", identity=gone)
    assert answer == {"identity": gone, "tracklets": len(keys), "overwritten": True}
    for file in files:
        assert not any(needle in file.read_bytes() for needle in needles)
    desk.feed(script[len(script) // 2 :])  # some of their tracklets go on
    for again in (desk, Desk(desk.store)):
        assert gone not in again.engine.timelines
        assert not keys & again.engine.hand.open.keys()
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
                assert told == {"identity": first, "name": "Alan", "correction": 1}
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
