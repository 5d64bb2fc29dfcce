"""The engine's promises: interleaving, restarts, one person in one place."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Matcher
from pipeline.config import Topology as Declared
from pipeline.matcher import engine as engine_module
from pipeline.matcher import hand as hand_module
from pipeline.matcher import index as index_module
from pipeline.matcher.engine import Engine
from pipeline.matcher.repair import MOST
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.records import CameraState, Decision, Envelope, Progress, TrackletKey
from pipeline.store import Batch, Said, Store, Verdict
from tests.benchmarks.recording import in_step
from tests.pipeline.matcher.synthetic import (
    START,
    Script,
    Walk,
    at_cosine,
    engine,
    like,
    people,
    run_id,
    scripts,
)

RNG = np.random.default_rng(5)
ALICE, BOB, CAROL = people(3, RNG)


def play(target: Engine, messages: Iterable[Envelope]) -> list[Verdict]:
    """Feeds one message after the other; all verdicts in order."""
    verdicts = []
    for message in messages:
        target.feed(message)
        verdicts += target.advance().verdicts
    return verdicts


def mixed(streams: Sequence[Sequence[Envelope]], order: Sequence[int]) -> list[Envelope]:
    """The streams merged: ``order`` says whose message is next, what is left over follows."""
    places = [iter(stream) for stream in streams]
    taken = [m for i in order if (m := next(places[i % len(places)], None)) is not None]
    return taken + [m for place in places for m in place]


def identities(verdicts: Iterable[Verdict]) -> dict[TrackletKey, int]:
    """The identity that each tracklet has in the end."""
    return {v.key: v.assignment.identity for v in verdicts if v.assignment is not None}


def two_cameras(walks: Sequence[Walk], seconds: float = 30.0, **options: object) -> list[Verdict]:
    """The verdicts on walks in the cameras a and b, read in step."""
    streams = [
        Script(camera, [w for w in walks if w.camera == camera], seconds).envelopes()
        for camera in "ab"
    ]
    in_step = [0, 1] * (max(map(len, streams)) + 1)
    return play(engine(("a", "b"), **options), mixed(streams, in_step))


def test_people_keep_their_identity_across_cameras() -> None:
    for seed in range(4):
        site = scripts(seed, persons=6, seconds=40)
        found = identities(play(engine(), mixed([s.envelopes() for s in site], [0, 1, 2] * 500)))
        truth = {key: person for s in site for key, person in s.truth.items()}
        assert found.keys() == truth.keys()
        pairs = {(person, found[key]) for key, person in truth.items()}
        people_of = defaultdict(set)
        for person, identity in pairs:
            people_of[identity].add(person)
        assert all(len(persons) == 1 for persons in people_of.values())
        assert len(people_of) <= 7


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 3), order=st.lists(st.integers(0, 2), max_size=400))
def test_any_interleaving_gives_the_same_verdicts(seed: int, order: list[int]) -> None:
    streams = [script.envelopes() for script in scripts(seed)]
    in_step = play(engine(), mixed(streams, [0, 1, 2] * 300))
    assert str(play(engine(), mixed(streams, order))) == str(in_step)


@pytest.mark.parametrize("exact_up_to", [1000, 3])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), seed=st.integers(0, 3))
def test_a_restart_at_any_point_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    exact_up_to: int,
    data: st.DataObject,
    seed: int,
) -> None:
    """Nor where the gallery is searched in lists, of which only one is looked into."""
    monkeypatch.setattr(index_module, "_FEWEST", 1)
    monkeypatch.setattr(index_module, "RECALL", 0.0)
    order = data.draw(st.lists(st.integers(0, 2), max_size=200))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))
    crashes = data.draw(st.lists(st.booleans(), min_size=1, max_size=30))
    messages = mixed([script.envelopes() for script in scripts(seed)], order)
    whole = engine(exact_up_to=exact_up_to)
    expected = play(whole, messages)
    assert math.isnan(whole.gallery.recall) == (exact_up_to == 3)  # in lists, not yet checked
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 's.sqlite'}"
    config = Matcher(exact_up_to=exact_up_to)  # type: ignore[call-arg]
    verdicts: list[Verdict] = []
    with Store.open(url) as store:
        steps = itertools.cycle(zip(itertools.cycle(sizes), crashes, strict=False))
        at = 0
        target = restored(store, config)
        while at < len(messages):
            size, crash = next(steps)
            batch = messages[at : at + size]
            if crash:  # decided on, but not committed
                for message in batch:
                    target.feed(message)
                target.advance()
                target = restored(store, config)
                batch = messages[max(0, at - 7) : at + size]  # some come again
            received = [r for m in batch if (r := target.feed(m)) is not None]
            outcome = target.advance()
            runs = target.inbox.watermark.take_changed()
            store.commit(Batch(received, runs, outcome, target.inbox.fingerprint))
            verdicts += outcome.verdicts
            at += size
        assert str(verdicts) == str(expected)
        counts = store.counts()
        assert (counts.duplicates, counts.missing, counts.undecided) == (0, 0, 0)
        stored = {v.key: i for i in identity_numbers(store) for v in store.identity(i).visits}
        assert stored == identities(expected)


def restored(store: Store, config: Matcher, cameras: str = "abc") -> Engine:
    """An engine in the store's state."""
    topology = Topology(Declared())
    thresholds = Thresholds.of(config, 0.6, 0.5)
    return Engine.restore(store.snapshot(), config, thresholds, cameras, topology, "", True)


def identity_numbers(store: Store) -> list[int]:
    return [person.identity for person in store.identities()]


@pytest.mark.parametrize("overlap", [(), (("a", "b"),)])
def test_nobody_is_in_two_places(overlap: tuple[tuple[str, str], ...]) -> None:
    """Twins: embeddings say they are one, time says they cannot be."""
    walks = [Walk(0, "a", 2, 8, ALICE), Walk(1, "b", 4, 10, ALICE), Walk(2, "a", 5, 7, ALICE)]
    found = identities(two_cameras(walks, overlap=overlap))
    a1, a2 = (found[TrackletKey("a", run_id("a"), track)] for track in (1, 2))
    b1 = found[TrackletKey("b", run_id("b"), 1)]
    assert a1 != a2
    assert (b1 in (a1, a2)) is bool(overlap)


def test_places_hold_for_many_people_who_look_alike() -> None:
    rng = np.random.default_rng(1)
    walks = [
        Walk(n, str(rng.choice(["a", "b"])), (s := float(rng.uniform(0, 25))), s + 3, ALICE)
        for n in range(25)
    ]
    streams = [Script(c, [w for w in walks if w.camera == c], 30).envelopes() for c in "ab"]
    found = identities(play(engine(("a", "b")), mixed(streams, [0, 1] * 900)))
    spans = {}
    for message in itertools.chain(*streams):
        if not isinstance(message.body, Progress):
            spans[message.body.key] = (message.body.start, message.body.end)
    by_identity = defaultdict(list)
    for key, identity in found.items():
        by_identity[identity].append((key.camera, *spans[key]))
    assert len(by_identity) < 25
    for visits in by_identity.values():
        for (c1, s1, e1), (c2, s2, e2) in itertools.combinations(visits, 2):
            tolerance = 0.0 if c1 == c2 else 0.25
            assert min(e1, e2) - max(s1, s2) <= tolerance


def test_nobody_arrives_sooner_than_the_shortest_way() -> None:
    def apart(gap: float) -> bool:
        walks = [Walk(0, "a", 1, 5, ALICE), Walk(0, "b", 5 + gap, 12 + gap, ALICE)]
        found = identities(two_cameras(walks, transit=[("a", "b", (6, 10))]))
        return len(set(found.values())) == 2

    assert apart(3.0)
    assert not apart(7.0)
    assert not apart(12.0)  # later than usual is allowed


def test_between_new_and_accept_it_waits_then_the_middle_decides() -> None:
    rng = np.random.default_rng(2)
    unlike, alike = at_cosine(ALICE, 0.53, rng), at_cosine(ALICE, 0.585, rng)
    for embedding, decision in ((unlike, Decision.NEW), (alike, Decision.MATCHED)):
        verdicts = two_cameras(
            [Walk(0, "a", 1, 4, ALICE, noise=0), Walk(1, "b", 10, 22, embedding, noise=0)],
            patience=4,
        )
        last = verdicts[-1].assignment
        assert last is not None
        assert last.key.camera == "b"
        assert last.decision is decision
        assert 13.0 < last.time - START < 17.0


def test_a_tracklet_of_few_crops_is_not_decided_at_once() -> None:
    script = Script("a", [Walk(0, "a", 0.9, 6, ALICE)], 10)
    first = two_cameras(script.walks)[0].assignment
    assert first is not None
    assert first.time - START >= 2.0  # at 1.0 there was one crop


def test_the_same_new_person_in_two_views_of_one_ground_is_one() -> None:
    walks = [Walk(0, "a", 2, 8, ALICE), Walk(0, "b", 2, 8, ALICE), Walk(1, "b", 2, 8, BOB)]
    found = identities(two_cameras(walks, overlap=(("a", "b"),)))
    assert found[TrackletKey("a", run_id("a"), 1)] == found[TrackletKey("b", run_id("b"), 1)]
    assert len(set(found.values())) == 2


def test_two_newcomers_compete_for_one_identity() -> None:
    """Both resemble Alice, who was here; only one can be her."""
    rng = np.random.default_rng(3)
    walks = [
        Walk(0, "a", 1, 4, ALICE),
        Walk(0, "b", 10, 16, like(ALICE, 0.2, rng)),
        Walk(1, "b", 10, 16, like(ALICE, 1.0, rng)),
    ]
    found = identities(two_cameras(walks))
    alice = found[TrackletKey("a", run_id("a"), 1)]
    assert found[TrackletKey("b", run_id("b"), 1)] == alice
    assert found[TrackletKey("b", run_id("b"), 2)] != alice


def test_an_identity_of_its_own_is_decided_again_when_seen_whole() -> None:
    walks = [Walk(0, "a", 1, 4, ALICE), Walk(0, "b", 10, 16, ALICE)]
    streams = [Script(c, [w for w in walks if w.camera == c], 30).envelopes() for c in "ab"]
    spoilt = []
    for message in streams[1]:  # a bad first view: half behind a pillar
        body = message.body
        if not isinstance(body, Progress) and body.end < START + 13:
            body = replace(body, embedding=BOB)
        spoilt.append(Envelope(message.number, body))
    verdicts = play(engine(("a", "b")), mixed([streams[0], spoilt], [0, 1] * 300))
    assert [v.assignment and v.assignment.identity for v in verdicts] == [1, 2, 1]
    assert verdicts[2].former == 2
    assert verdicts[2].reason["rule"] == "seen together with others"
    assert verdicts[2].reason["similarity"] == pytest.approx(1, abs=0.01)
    assert "transit" not in verdicts[2].reason  # nothing is known of the ground


def test_a_track_that_breaks_goes_on() -> None:
    """Seen anew where the former track led, it needs less likeness."""
    rng = np.random.default_rng(4)
    weaker = at_cosine(ALICE, 0.50, rng)
    near = [Walk(0, "a", 1, 6, ALICE), Walk(0, "a", 7, 14, weaker, x=100 + 40 * 6)]
    far = [Walk(0, "a", 1, 6, ALICE), Walk(0, "a", 7, 14, weaker, x=900)]
    assert len(set(identities(two_cameras(near)).values())) == 1
    assert len(set(identities(two_cameras(far)).values())) == 2


def test_who_was_not_seen_for_long_is_forgotten() -> None:
    walks = [Walk(0, "a", 1, 5, ALICE), Walk(0, "a", 190, 196, ALICE)]
    assert len(set(identities(two_cameras(walks, 200)).values())) == 1
    assert len(set(identities(two_cameras(walks, 200, forget_after=60)).values())) == 2


def test_the_gallery_keeps_its_bound() -> None:
    rng = np.random.default_rng(6)
    walks = [Walk(n, "a", 2 * n, 2 * n + 1.8, p) for n, p in enumerate(people(12, rng))]
    for bound in ("max_identities", "max_prototypes"):
        target = engine(("a",), **{bound: 5})
        verdicts = play(target, Script("a", walks, 40).envelopes())
        assert len(target.timelines) == 5
        assert len(target.gallery) == 5
        assert sorted(target.timelines) == sorted(identities(verdicts).values())[-5:]


def test_another_encoder_is_stored_but_not_decided_on() -> None:
    target = engine(("a",))
    messages = Script("a", [Walk(0, "a", 1, 5, ALICE), Walk(1, "a", 3, 8, BOB)], 20).envelopes()
    foreign = TrackletKey("a", run_id("a"), 2)
    closed: set[TrackletKey] = set()
    found: dict[TrackletKey, int] = {}
    for message in messages:
        body = message.body
        if not isinstance(body, Progress) and body.key == foreign:
            message = Envelope(message.number, replace(body, fingerprint="0" * 32))
            assert target.feed(message) is not None  # to be stored
        else:
            target.feed(message)
        outcome = target.advance()
        closed |= set(outcome.closed)
        found |= identities(outcome.verdicts)
    assert foreign not in found
    assert foreign in closed
    assert target.inbox.foreign > 0


def test_embeddings_of_another_length_do_no_harm() -> None:
    target = engine(("a",))
    messages = Script("a", [Walk(0, "a", 1, 5, ALICE), Walk(1, "a", 3, 8, BOB[:7])], 20)
    assert len(identities(play(target, messages.envelopes()))) == 1


def test_what_comes_late_is_attached_and_counted() -> None:
    """A live camera that lags is not waited for; what it says later still counts."""
    leader = replace_live(Script("a", [Walk(0, "a", 1, 5, ALICE), Walk(1, "a", 40, 45, BOB)], 60))
    laggard = replace_live(Script("b", [Walk(0, "b", 8, 14, ALICE)], 60))
    target = engine(("a", "b"), max_lateness=10)
    first, rest = laggard[:1], laggard[1:]
    verdicts = play(target, [*first, *leader, *rest])
    assert [identities(verdicts)[TrackletKey("b", run_id("b"), 1)]] == [1]
    assert target.inbox.late > 0


@pytest.mark.parametrize("restarts", [False, True])
def test_a_tracklet_of_a_camera_that_was_cut_off_goes_on_whatever_ended_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    """The cable of a camera was cut, and its worker kept what it saw."""
    for module in (engine_module, hand_module):
        monkeypatch.setattr(module, "MOST", 2)
    others = people(6, np.random.default_rng(3))
    walks = [Walk(n + 1, "a", 12 + 8 * n, 18 + 8 * n, who) for n, who in enumerate(others)]
    leader = replace_live(Script("a", walks, 90))
    laggard = replace_live(Script("b", [Walk(0, "b", 2, 60, ALICE)], 90))
    cut = next(n for n, m in enumerate(laggard) if time_of(m) > START + 10)
    key = TrackletKey("b", run_id("b"), 1)
    with Store.open(f"sqlite:///{tmp_path}/camtrail.sqlite", crops=tmp_path / "crops") as store:
        config = Matcher(max_lateness=10)  # type: ignore[call-arg]
        target = restored(store, config, "ab")
        store.commit(before := target.take([*laggard[:cut], *leader[:-1]]))
        assert identities(before.outcome.verdicts)[key] == 1
        assert len(target.hand.closed) == 2
        if restarts:
            target = restored(store, config, "ab")
        store.commit(after := target.take(laggard[cut:]))
        assert after.outcome.verdicts == []
        assert target.inbox.late > 0
        (visit,) = store.identity(1).visits
        assert visit.end == pytest.approx(START + 60)
        assert store.counts().undecided == 0


def replace_live(script: Script) -> list[Envelope]:
    script.live = True
    return script.envelopes()


@pytest.mark.parametrize("known_until", [23.0, 40.0])
def test_late_news_never_puts_somebody_in_two_places(known_until: float) -> None:
    """The camera was given up for lost while its tracklet went on; meanwhile she was matched."""
    leader = Script("a", [Walk(1, "a", 20, 30, ALICE)], 40).envelopes()
    before = [m for m in leader if time_of(m) <= START + known_until]
    whole = Script("b", [Walk(0, "b", 2, 35, ALICE)], 40).envelopes()
    cut = next(i for i, m in enumerate(whole) if time_of(m) > START + 18)
    lost = replace_state(whole[cut - 1], cut + 1)
    target = engine(("a", "b"))
    verdicts = play(target, [*whole[:cut], lost, *before])
    assert set(identities(verdicts).values()) == {1}
    assert len(identities(verdicts)) == 2
    after = [replace(m, number=m.number + 1) for m in whole[cut:]]
    verdicts += play(target, [*after, *leader[len(before) :]])
    assert len(set(identities(verdicts).values())) == 2


def time_of(message: Envelope) -> float:
    body = message.body
    return body.time if isinstance(body, Progress) else body.end


def replace_state(message: Envelope, number: int) -> Envelope:
    assert isinstance(message.body, Progress)
    return Envelope(number, replace(message.body, state=CameraState.LOST))


def test_a_new_run_ends_the_tracklets_of_the_former() -> None:
    """A worker that was killed comes back, and goes on with the same person in a new track."""
    before = Script("a", [Walk(0, "a", 1, 30, ALICE)], 30).envelopes()
    cut = 12
    assert isinstance(before[cut - 1].body, Progress)
    after = Script("a", [Walk(0, "a", 6.2, 12, ALICE)], 30, run=run_id("a", 1)).envelopes()
    verdicts = play(engine(("a",)), [*before[:cut], *after])
    assert len(set(identities(verdicts).values())) == 1
    assert len(identities(verdicts)) == 2


def test_many_prototypes_keep_their_bound_per_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    walks = [Walk(0, "ab"[n % 2], 6 * n, 6 * n + 4, like(ALICE, 0.5, rng)) for n in range(20)]
    streams = [Script(c, [w for w in walks if w.camera == c], 125).envelopes() for c in "ab"]
    target = engine(("a", "b"), prototypes=3)
    for module in (engine_module, hand_module):
        monkeypatch.setattr(module, "MOST", 2)
    found = identities(play(target, mixed(streams, [0, 1] * 900)))
    assert set(found.values()) == {1}
    assert len(target.gallery) == 6
    assert len(target.timelines[1]) <= 5  # what no rule asks for is not kept


def test_what_is_kept_does_not_grow_with_time() -> None:
    """A busy camera for ten minutes: tracklets follow each other without a break."""
    rng = np.random.default_rng(8)
    bases = people(8, rng)
    walks = [
        Walk(n % 8, "a", t, t + 4, like(bases[n % 8], 0.3, rng))
        for n, t in enumerate(np.arange(1, 590, 2.0).tolist())
    ]
    target = engine(("a",))
    most = 0
    for message in Script("a", walks, 600).envelopes():
        target.feed(message)
        target.advance()
        most = max(most, len(target.hand.open))
    assert most < 20
    assert len(target.timelines) == 8
    assert len(target.hand.closed) == MOST
    assert sum(map(len, target.timelines.values())) < MOST + 30
    assert len(target.gallery) <= 8 * 4


def seen_badly(visits: int) -> list[list[Envelope]]:
    """What three cameras say of whom they see more or less badly, in parts."""
    rng = np.random.default_rng(1)
    looks = people(24, rng, alike=0.2)
    site = []
    for camera, noise in (("a", 1.6), ("b", 2.2), ("c", 3.0)):
        who = [int(rng.integers(len(looks))) for _ in range(visits)]
        walks = [
            Walk(p, camera, 1 + 4.5 * n, 5 + 4.5 * n, like(looks[p], 0.4, rng), noise=noise)
            for n, p in enumerate(who)
        ]
        site.append(Script(camera, walks, 5.0 * visits))
    messages = in_step(message for script in site for message in script.envelopes())
    return [messages[n : n + 20] for n in range(0, len(messages), 20)]


def test_a_restart_after_somebody_was_forgotten_decides_the_same(tmp_path: Path) -> None:
    """It must not take to hand again what the engine that went on has not any more."""
    batches = seen_badly(60)
    before = len(batches) * 3 // 4
    with Store.open(f"sqlite:///{tmp_path}/camtrail.sqlite", crops=tmp_path / "crops") as store:
        live = engine()
        for batch in batches[:before]:
            store.commit(live.take(batch))
        assert len(live.hand.closed) == MOST
        shifts = live.gallery.whitening.shifts
        assert np.ptp(shifts) > 0  # of the cameras something is known
        assignment = live.hand.all[5].assignment
        assert assignment is not None
        keys, _ = store.forget(assignment.identity, Said("Ada", 0.0, live.now))
        live.forget(assignment.identity, keys)
        again = restored(store, Matcher())
    assert again.hand.closed.keys() == live.hand.closed.keys()
    assert len(live.hand.closed) < MOST
    for batch in batches[before:]:
        one, other = live.take(batch).outcome, again.take(batch).outcome
        assert repr(one.verdicts) == repr(other.verdicts)  # NaN is not itself
        assert one.sameness == other.sameness
    np.testing.assert_array_equal(live.gallery.whitening.shifts, again.gallery.whitening.shifts)


def test_thresholds_that_are_set_later_end_what_was_learned(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/camtrail.sqlite", crops=tmp_path / "crops") as store:
        live = engine()
        for batch in seen_badly(20):
            store.commit(live.take(batch))
        assert live.gallery.whitening.known
        again, fixed = (restored(store, m) for m in (Matcher(), Matcher(accept=0.6, new=0.5)))
    assert again.gallery.whitening.known
    assert not fixed.gallery.whitening.known
    assert (fixed.thresholds.accept, fixed.thresholds.new) == (0.6, 0.5)
