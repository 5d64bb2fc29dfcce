"""A replay decides as the matcher did, twice the same, whatever the streams were mixed like."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.bus import decode, encode
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.matcher.encoder import EncoderFacts, remember_facts
from pipeline.matcher.engine import Engine
from pipeline.records import CameraState, Envelope, Progress, TrackletKey
from pipeline.replay.file import Recording, write_recording
from pipeline.replay.record import ended, record_store
from pipeline.replay.run import Ledger, new_engine, replay, settings_of
from pipeline.store import Batch, Store
from tests.pipeline.matcher.synthetic import FINGERPRINT, START, Script, run_id, scripts
from tests.pipeline.replay.sites import header, in_step, mixed, recorded


def site_of(recording: Recording) -> Site:
    return settings_of(recording.header, Path())


def test_a_replay_finds_who_is_who_twice_the_same(tmp_path: Path) -> None:
    own = recorded(tmp_path / "yard.camtrail", seed=2)
    recording = Recording(tmp_path / "yard.camtrail")
    first, ledger = replay(recording, site_of(recording))
    again, _ = replay(recording, site_of(recording))
    assert first == again
    truth = {key: person for script in own for key, person in script.truth.items()}
    assert ledger.who.keys() == truth.keys()
    assert first.tracklets == len(truth)
    assert first.identities == len({identity for identity, _ in ledger.who.values()})
    people_of: dict[int, set[int]] = {}
    for key, (identity, _) in ledger.who.items():
        people_of.setdefault(identity, set()).add(truth[key])
    assert all(len(people) == 1 for people in people_of.values())
    assert first.undecided == first.late == first.foreign == 0


@pytest.mark.parametrize("seed", [3, 4])
def test_the_order_of_the_streams_changes_no_decision(tmp_path: Path, seed: int) -> None:
    own = scripts(seed)
    digests = set()
    for order in range(3):
        file = tmp_path / f"{order}.camtrail"
        write_recording(file, header(), mixed(own, order))
        recording = Recording(file)
        digests.add(replay(recording, site_of(recording))[0].decisions)
    assert len(digests) == 1


def test_other_settings_decide_otherwise(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    recording = Recording(tmp_path / "yard.camtrail")
    usual = site_of(recording)
    strict = usual.model_copy(
        update={"matcher": usual.matcher.model_copy(update={"accept": 0.99, "new": 0.98})}
    )
    found, alone = replay(recording, usual)[0], replay(recording, strict)[0]
    assert alone.identities > found.identities
    assert alone.decisions != found.decisions


def test_a_site_without_a_camera_of_the_recording(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    recording = Recording(tmp_path / "yard.camtrail")
    with pytest.raises(CamtrailError, match="has the camera 'a'; the site has only: b, c"):
        new_engine(recording, settings_of(header(("b", "c")), Path()))


def test_a_camera_that_never_said_anything_is_not_waited_for(tmp_path: Path) -> None:
    write_recording(tmp_path / "yard.camtrail", header(("a", "b", "c", "d")), in_step(scripts(2)))
    recording = Recording(tmp_path / "yard.camtrail")
    result, ledger = replay(recording, site_of(recording))
    assert result.undecided == 0
    assert ledger.who


def decided_live(site: Site, messages: list[Envelope], sizes: list[int]) -> tuple[Ledger, Engine]:
    """What a matcher decides whose messages come in batches, and commits to the store of a site."""
    ledger = Ledger()
    with Store.open(site.store_url) as store:
        remember_facts(store, EncoderFacts(FINGERPRINT, 0.6, 0.5))
        fresh = tmp_recording(site.data_dir)
        engine = new_engine(fresh, settings_of(fresh.header, Path()))
        rest = (decode(encode(message)) for message in messages)
        for size in itertools.cycle(sizes):
            chunk = list(itertools.islice(rest, size))
            if not chunk:
                return ledger, engine
            batch = engine.take(chunk)
            store.commit(batch)
            ledger.add(batch)
    raise AssertionError


def tmp_recording(folder: Path) -> Recording:
    """Of the same cameras, to make a matcher for."""
    recorded(folder / "any.camtrail", seed=1)
    return Recording(folder / "any.camtrail")


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_what_the_store_has_is_decided_as_it_was(tmp_path: Path, seed: int) -> None:
    site = settings_of(header(), tmp_path)
    before, _ = decided_live(site, mixed(scripts(seed), seed), [1, 7, 40])
    record_store(site, tmp_path / "yard.camtrail")
    recording = Recording(tmp_path / "yard.camtrail")
    after, ledger = replay(recording, site)
    assert ledger.who == before.who
    assert after.decisions == before.result(new_engine(recording, site), recording).decisions


def test_late_messages_and_a_worker_that_was_restarted_are_decided_as_they_were(
    tmp_path: Path,
) -> None:
    """A live camera lags beyond all patience; a file's worker dies half way and goes on."""
    own = scripts(8, persons=8, seconds=40)
    lagging, restarted, other = own
    lagging.live = other.live = True
    first = [e for e in restarted.envelopes() if _time(e) <= START + 15]
    second = Script(
        restarted.camera,
        [w for w in restarted.walks if w.start > 16],
        40.0,
        run=run_id(restarted.camera, 1),
    ).envelopes()
    hello, *rest = lagging.envelopes()
    messages = [hello, *in_turn(other.envelopes(), first + second), *rest]
    site = settings_of(header(), tmp_path)
    before, engine = decided_live(site, messages, [3, 20])
    assert engine.inbox.late > 10
    record_store(site, tmp_path / "yard.camtrail")
    _, ledger = replay(Recording(tmp_path / "yard.camtrail"), site)
    assert ledger.who == before.who


def in_turn(a: list[Envelope], b: list[Envelope]) -> list[Envelope]:
    pairs = itertools.zip_longest(a, b)
    return [envelope for pair in pairs for envelope in pair if envelope is not None]


def _time(envelope: Envelope) -> float:
    body = envelope.body
    return body.time if isinstance(body, Progress) else body.end


def test_only_who_was_in_view_then(tmp_path: Path) -> None:
    site = settings_of(header(), tmp_path)
    own = scripts(5)
    decided_live(site, in_step(own), [50])
    record_store(site, tmp_path / "part.camtrail", START + 10, START + 15)
    recording = Recording(tmp_path / "part.camtrail")
    expected: set[TrackletKey] = set()
    for script in own:
        for track, walk in enumerate(script.walks, 1):
            if walk.end >= 10 and walk.start < 15:
                expected.add(TrackletKey(script.camera, run_id(script.camera), track))
    _, ledger = replay(recording, site)
    assert ledger.who.keys() == expected


def test_nobody_was_in_view_then(tmp_path: Path) -> None:
    site = settings_of(header(), tmp_path)
    decided_live(site, in_step(scripts(5)), [50])
    with pytest.raises(CamtrailError, match="nobody was seen in that time"):
        record_store(site, tmp_path / "night.camtrail", START + 1000)
    assert not (tmp_path / "night.camtrail").exists()


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="there is no store yet"):
        record_store(settings_of(header(), tmp_path), tmp_path / "yard.camtrail")
    assert list(tmp_path.iterdir()) == []


def test_cameras_that_go_on_are_lost_at_the_end() -> None:
    own = scripts(2)
    messages = [e for e in in_step(own) if _time(e) < START + 20]
    closed = list(ended(messages))
    assert all(a is b for a, b in zip(closed, messages, strict=False))
    lost = [envelope.body for envelope in closed[len(messages) :]]
    assert [type(body) for body in lost] == [Progress] * 3
    assert {body.camera for body in lost} == {"a", "b", "c"}
    for envelope in closed[len(messages) :]:
        body = envelope.body
        assert isinstance(body, Progress)
        assert body.state is CameraState.LOST
        own_numbers = [e.number for e in messages if e.camera == body.camera]
        assert envelope.number == max(own_numbers) + 1
    whole = in_step(own)
    assert len(list(ended(whole))) == len(whole)  # these had come to their end


def test_the_result_counts_what_there_is(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    recording = Recording(tmp_path / "yard.camtrail")
    result = asdict(replay(recording, site_of(recording))[0])
    assert result["messages"] == recording.summary.messages
    assert result["updates"] == sum(recording.summary.updates.values())
    assert result["seconds"] == recording.summary.seconds > 20


def test_progress_is_told(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    recording = Recording(tmp_path / "yard.camtrail")
    told: list[tuple[int, int]] = []
    replay(recording, site_of(recording), progress=lambda *step: told.append(step))
    assert told[-1] == (recording.summary.messages, recording.summary.messages)


def test_all_that_is_replayed_is_in_the_store_once(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    recording = Recording(tmp_path / "yard.camtrail")
    site = settings_of(recording.header, tmp_path)
    with Store.open(site.store_url) as store:
        result, _ = replay(recording, site, store)
        counts = store.counts()
    assert counts.updates == result.updates
    assert (counts.duplicates, counts.missing, counts.undecided) == (0, 0, 0)
    assert counts.identities == result.identities


def test_a_batch_is_all_that_a_transaction_writes(tmp_path: Path) -> None:
    recording = tmp_recording(tmp_path)
    engine = new_engine(recording, site_of(recording))
    batch = engine.take(recording.messages())
    assert isinstance(batch, Batch)
    assert len(batch.updates) == sum(recording.summary.updates.values())
    assert {run.camera for run in batch.runs} == {"a", "b", "c"}
