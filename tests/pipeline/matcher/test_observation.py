"""What the engine learns of the ground while it follows people."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Matcher
from pipeline.config import Topology as Declared
from pipeline.matcher.calibration import centred
from pipeline.matcher.engine import Engine
from pipeline.matcher.observation import observe
from pipeline.matcher.presence import CLOCK_TOLERANCE, Visit, gap_between
from pipeline.matcher.scoring import MARGIN, Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.ways import Ways
from pipeline.records import Assignment, Decision, Envelope, TrackletKey
from pipeline.store import Batch, Store
from tests.pipeline.matcher.synthetic import Script, Walk, engine, people, run_id

SECONDS = 240.0


def commuters(seed: int = 1, twins: bool = False) -> list[Envelope]:
    """People who go from a to b in about 12 s, half a minute apart, and some only to c.

    Of ``twins``, three who look alike are always in a together.
    """
    rng = np.random.default_rng(seed)
    walks: dict[str, list[Walk]] = {"a": [], "b": [], "c": []}
    looks = people(12, rng, alike=0.2)
    for n, start in enumerate(np.arange(2.0, SECONDS - 40, 6.0).tolist()):
        person = n % 12
        look = looks[person]
        walks["a"].append(Walk(person, "a", start, start + 4, look, noise=0.1))
        if twins:
            for x in (400.0, 700.0):
                walks["a"].append(Walk(20, "a", start, start + 4, look, noise=0.1, x=x))
        later = start + 4 + float(rng.normal(12, 0.8))
        walks["c" if person % 4 == 3 else "b"].append(
            Walk(person, "c" if person % 4 == 3 else "b", later, later + 4, look, noise=0.1)
        )
    streams = [
        Script(c, sorted(own, key=lambda w: w.start), SECONDS).envelopes()
        for c, own in walks.items()
    ]
    return [m for at_once in itertools.zip_longest(*streams) for m in at_once if m is not None]


def followed(messages: Sequence[Envelope]) -> Engine:
    target = engine()
    target.take(messages)
    return target


def test_the_way_that_people_take_is_learned() -> None:
    topology = followed(commuters()).topology
    ways = {(w.origin, w.destination): w for w in topology.ways.ways()}
    assert ways["a", "b"].seconds[1] == pytest.approx(12, abs=2)
    assert ways["a", "b"].share > 2 * ways["a", "c"].share
    usual, early = (topology.support("a", "b", gap) for gap in (12.0, 6.0))
    assert usual.seen > 2 * usual.expected
    assert early.seen < early.expected


def passers_by(rng: np.random.Generator, count: int = 60) -> list[Tracklet]:
    """Decided tracklets anywhere at any time within five minutes; some go on."""
    found = []
    for track in range(count):
        key = TrackletKey("abc"[rng.integers(3)], "R", track)
        start = float(rng.uniform(0, 300))
        visit = Visit(
            key, start, start + float(rng.uniform(0.5, 20)), ended=bool(rng.random() < 0.9)
        )
        similarity, runner_up = rng.uniform(0.4, 1, 2).tolist()
        assignment = Assignment(
            key,
            int(rng.integers(12)),
            Decision.MATCHED,
            similarity,
            min(similarity, runner_up),
            start,
        )
        found.append(Tracklet(visit, crops=5, assignment=assignment))
    return sorted(found, key=lambda t: t.order)


@pytest.mark.parametrize("seed", range(5))
def test_ways_are_learned_from_everybodys_last_visit(seed: int) -> None:
    tracklets = passers_by(np.random.default_rng(seed))
    thresholds = Thresholds(0.6, 0.5, 4.0)
    topology = Topology(Declared(overlap=[("a", "c")]))
    topology.clocks.ahead["b"] = 1.25
    naive = Ways()
    for own in tracklets:
        last: dict[int, Tracklet] = {}
        for other in sorted(tracklets, key=lambda t: t.visit.end - 1.25 * (t.key.camera == "b")):
            if gap_between(other.visit, own.visit, topology) >= -CLOCK_TOLERANCE:
                assert other.assignment is not None
                last[other.assignment.identity] = other
        for identity, other in last.items():
            gap = gap_between(other.visit, own.visit, topology)
            origin, camera = other.key.camera, own.key.camera
            said = own.assignment
            assert said is not None
            if {origin, camera} == {"a", "c"} or (origin == camera and gap <= 2.5):
                continue
            if identity != said.identity:
                naive.learn(origin, camera, gap, own=False)
            elif said.similarity >= 0.6 and said.similarity - said.runner_up >= MARGIN:
                naive.learn(origin, camera, gap, own=True)
    observe(topology, tracklets, tracklets, thresholds)
    assert topology.ways.state == naive.state
    assert naive.state["own"]


def two_views(seed: int = 3) -> list[Envelope]:
    """People whom a and b show at once, and others whom c shows at the same time."""
    rng = np.random.default_rng(seed)
    walks: dict[str, list[Walk]] = {"a": [], "b": [], "c": []}
    for person, look in enumerate(people(30, rng, alike=0.2)):
        start = 2.0 + 7 * person
        for camera, late in (("a", 0.0), ("b", 1.0)):
            seen = start + late, start + late + 5
            walks[camera].append(Walk(person, camera, *seen, look, noise=0.1))
        (other,) = people(1, rng)
        walks["c"].append(Walk(100 + person, "c", start, start + 5, other, noise=0.1))
    streams = [Script(c, own, SECONDS).envelopes() for c, own in walks.items()]
    return [m for at_once in itertools.zip_longest(*streams) for m in at_once if m is not None]


def test_views_of_the_same_ground_are_found_though_nobody_declared_them() -> None:
    target = engine()
    before, after = {}, {}
    for message in two_views():
        found = before if not target.topology.company.shared else after
        for verdict in target.take([message]).outcome.verdicts:
            if verdict.assignment is not None:
                found[verdict.key] = verdict.assignment.identity
    assert target.topology.company.shared == {frozenset("ab")}
    assert not target.topology.exclusive("a", "b")
    assert target.topology.exclusive("a", "c")
    late = {key: identity for key, identity in after.items() if key.track > 20}
    for key, identity in late.items():
        if key.camera == "a":
            assert late[TrackletKey("b", run_id("b"), key.track)] == identity


def test_a_restart_forgets_nothing_of_it(tmp_path: Path) -> None:
    messages = commuters()
    whole = engine()
    expected = whole.take(messages).outcome.verdicts
    config = Matcher()  # type: ignore[call-arg]
    thresholds = Thresholds.of(config, 0.6, 0.5)
    verdicts = []
    with Store.open(f"sqlite:///{tmp_path / 's.sqlite'}") as store:
        for first in range(0, len(messages), 251):
            topology = Topology(Declared())
            target = Engine.restore(
                store.snapshot(), config, thresholds, "abc", topology, "", wait_for_all=True
            )
            target.take(messages[first : first + 99])  # and dies before it could commit
            topology = Topology(Declared())
            target = Engine.restore(
                store.snapshot(), config, thresholds, "abc", topology, "", wait_for_all=True
            )
            batch: Batch = target.take(messages[first : first + 251])
            store.commit(batch)
            verdicts += batch.outcome.verdicts
        assert str(verdicts) == str(expected)
        assert store.snapshot().topology == whole.topology.state
        assert target.thresholds == whole.thresholds


def test_thresholds_rise_where_people_at_one_time_look_alike() -> None:
    plain, uniform = (followed(commuters(twins=twins)).thresholds for twins in (False, True))
    recommended = centred(Thresholds(0.6, 0.5, 4.0))
    assert plain == recommended
    assert uniform.accept > recommended.accept + 0.05
    assert uniform.new <= uniform.accept


def test_thresholds_that_the_configuration_gives_stay() -> None:
    target = engine(accept=0.61, new=0.42)
    target.take(commuters(twins=True))
    assert (target.thresholds.accept, target.thresholds.new) == (0.61, 0.42)
