"""Old data of each kind: shown before they go, gone afterwards, and the young ones stay."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.bus import EmbeddedServer, Keys, connect
from pipeline.config import Site
from pipeline.exports import exports_left, note_export
from pipeline.matcher.housekeeping import Housekeeping
from pipeline.notify.expiry import Expiry
from pipeline.notify.outbox import Note, Outbox, Place
from pipeline.records import TrackletKey
from pipeline.retention.command import show
from pipeline.retention.kinds import all_kinds
from pipeline.store import Batch, Outcome, Received, RunState, Said, Store
from pipeline.store.recordings import Recordings
from pipeline.supervise.logs import Logs
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.log import Look
from tests.pipeline.store.test_store import RUN, pictured, verdict

DAY = 86_400.0
NOW = time.time()


def site_of(folder: Path, **retention: Any) -> Site:
    return Site.model_validate(
        {
            "site": "yard",
            "data_dir": folder / "data",
            "cameras": {"gate": {"source": "gate.mp4"}},
            "retention": retention,
            "recording": {"enabled": True, "days": 7},
            "viewer": {"audit_days": 10},
        }
    )


def found(site: Site) -> dict[str, tuple[int | None, int]]:
    """By kind, how much there is and how much of it goes next; of recordings of all cameras."""
    kinds: dict[str, tuple[int | None, int]] = {}
    for kind in all_kinds(site, time.time()):
        number, gone = kinds.get(kind.kind, (0, 0))
        kinds[kind.kind] = (
            None if kind.number is None or number is None else number + kind.number,
            gone + kind.due,
        )
    return kinds


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of(
        tmp_path,
        tracklets_days=30,
        crops_days=3,
        audit_days=20,
        notifications_days=5,
        dead_letters_days=4,
        logs_days=6,
    )


def fill(site: Site) -> None:
    """One of each kind that is too old, and one that is not."""
    store_people(site)
    for days, camera in ((8, "gate"), (2, "gate"), (8, "cellar"), (2, "cellar")):
        recordings = Recordings(site.recordings_dir, camera)
        for folder in ("kept", "ring"):
            start = NOW - days * DAY - (0 if folder == "kept" else 60)
            partial = recordings.begin(start)
            partial.write_bytes(b"video")
            recordings.finish(partial, start, start + 2)
        first = recordings.undecided()[-1]
        recordings.keep(first)
    for days, camera in ((40, "cellar"), (2, "attic"), (40, "gate")):
        spool = site.spool_dir / camera
        spool.mkdir(parents=True)
        for name in ("00000001.seg", "runs"):
            (spool / name).write_bytes(b"messages")
            os.utime(spool / name, (NOW - days * DAY,) * 2)
    Outbox.create(site.data_dir, Place(0, 0, NOW, 0))
    with closing(Outbox(site.data_dir)) as outbox:
        for number, days in enumerate((6, 1), start=1):
            key = TrackletKey("gate", RUN, number)
            note = Note(0, str(number), "person.seen", number, key, NOW - days * DAY, None)
            outbox.put(note, ["guard"], NOW, 10)
            told = outbox.first("guard")
            assert told is not None
            outbox.delivered("guard", told.note)
        waiting = Note(0, "3", "person.seen", 3, TrackletKey("gate", RUN, 3), NOW - 9 * DAY, None)
        outbox.put(waiting, ["guard"], NOW, 10)
    for days in (11, 1):
        access = Access(site.data_dir, 10, clock=lambda days=days: NOW - days * DAY)
        access.log.look("ada", Look.PERSON, [1])
        access.close()
    site.logs_dir.mkdir(parents=True)
    for name, days in (("matcher.log", 0), ("matcher.log.2020-01-01", 0), ("old.log", 7)):
        (site.logs_dir / name).write_text("a line\n")
        os.utime(site.logs_dir / name, (NOW - days * DAY,) * 2)


def store_people(site: Site) -> None:
    site.data_dir.mkdir(parents=True)
    ages = (40, 10, 1)
    updates = [
        replace(pictured(1, 0.5, track), start=NOW - days * DAY, end=NOW - days * DAY + 5)
        for track, days in enumerate(ages, start=1)
    ]
    outcome = Outcome(NOW, verdicts=[verdict(1, 1), verdict(2, 2), verdict(3, 3)])
    outcome.closed = [TrackletKey("gate", RUN, track) for track in (1, 2, 3)]
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        received = [Received(u, u.end) for u in updates]
        store.commit(Batch(received, [RunState("gate", RUN, 3, 3, 3)], outcome, "f" * 32))
        for days in (25, 2):
            store.rename(3, f"Ada {days}", Said("ada", NOW - days * DAY, NOW))
    day = Path(time.strftime("%Y-%m-%d", time.gmtime(NOW - 20 * DAY))) / "gate"
    (site.crops_dir / day).mkdir(parents=True)
    stray = site.crops_dir / day / "stray.jpg"
    stray.write_bytes(b"jpeg")
    os.utime(stray, (NOW - 20 * DAY,) * 2)


def test_each_kind_goes_when_it_is_too_old_and_is_shown_before(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(site)
    server = EmbeddedServer(site)
    server.start()
    keys = Keys(site.site)
    client = connect(site)
    for days in (5, 1):
        client.xadd(keys.dead_letters, {"reason": "old"}, id=f"{int((NOW - days * DAY) * 1000)}-0")
    before = found(site)
    # Segments, spools and logs are files. A note that waits is not gone before it was told.
    assert before == {
        "tracklets": (3, 1),
        "crops": (3, 3),
        "audit": (2, 1),
        "recordings": (8, 6),
        "spools": (3, 2),
        "messages": (0, 0),
        "dead letters": (2, 1),
        "notifications": (3, 1),
        "looks": (2, 1),
        "logs": (3, 2),
        "store copies": (0, 0),
        "exports": (0, 0),
    }
    show(site, as_json=True)
    printed = {kind["kind"]: kind for kind in json.loads(capsys.readouterr().out)["kinds"]}
    assert printed["crops"]["by"] == "matcher"
    assert printed["crops"]["bytes"] > 10
    assert printed["spools"]["said"] == "of cameras that are not in site.yaml: attic, cellar"
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        while store.expire(NOW - 30 * DAY, NOW - 3 * DAY):
            pass
        Housekeeping(site, store, client, keys).step()
    with closing(Outbox(site.data_dir)) as outbox:
        Expiry(site.retention.notifications_days, outbox).step()
    Access(site.data_dir, 10).tidy()
    Logs(site.logs_dir, site.retention.logs_days).expire(time.time())
    after = found(site)
    assert after == {
        kind: (number, gone)
        for kind, number, gone in (
            ("tracklets", 2, 0),
            ("crops", 1, 0),
            ("audit", 1, 0),
            ("recordings", 2, 0),
            ("spools", 2, 0),
            ("messages", 0, 0),
            ("dead letters", 1, 0),
            ("notifications", 2, 0),
            ("looks", 1, 0),
            ("logs", 1, 0),
            ("store copies", 0, 0),
            ("exports", 0, 0),
        )
    }
    assert (site.spool_dir / "gate" / "00000001.seg").exists()  # its worker sends it
    assert not (site.spool_dir / "cellar").exists()
    client.close()
    server.stop()


def test_where_nothing_is_limited_nothing_goes(tmp_path: Path) -> None:
    none: dict[str, None] = dict.fromkeys(
        ("tracklets_days", "crops_days", "audit_days", "notifications_days", "dead_letters_days",
         "logs_days")
    )  # fmt: skip
    site = site_of(tmp_path, **none)
    fill(site)
    shown = found(site)
    assert shown["messages"] == (None, 0)  # Redis does not run
    limited = {"recordings", "looks"}
    assert {kind: gone for kind, (_, gone) in shown.items() if gone}.keys() <= limited


def test_nothing_is_there_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = site_of(tmp_path)
    show(site, as_json=False)
    out = capsys.readouterr().out
    assert "tracklets" in out
    assert "dead letters: Redis; Redis does not answer" in out
    assert not site.data_dir.exists()  # it only looks


def test_one_kind_that_cannot_be_deleted_leaves_the_others(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(site)
    server = EmbeddedServer(site)
    server.start()

    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pipeline.retention.sweep.retire_recordings", refuse)
    with (
        connect(site) as client,
        Store.open(site.store_url, crops=site.crops_dir) as store,
    ):
        Housekeeping(site, store, client, Keys(site.site)).step()
    assert found(site)["audit"] == (1, 0)
    assert not (site.spool_dir / "cellar").exists()
    said = capsys.readouterr()
    assert "Read-only file system" in said.out + said.err
    server.stop()


def test_exports_are_known_until_they_are_deleted(site: Site, tmp_path: Path) -> None:
    assert exports_left(site) == []
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two, one):
        path.mkdir(exist_ok=True)
        note_export(site, "crops export", path)
    with (site.data_dir / "exports.jsonl").open("a") as file:
        file.write('{"kind": "record", "pa')  # of a command that was killed
    assert [export.path for export in exports_left(site)] == [two, one]
    two.rmdir()
    assert [(e.kind, e.path) for e in exports_left(site)] == [("crops export", one)]
    assert found(site)["exports"] == (1, 0)


def test_notes_that_are_forgotten_are_not_in_the_file(site: Site) -> None:
    fill(site)
    with closing(Outbox(site.data_dir)) as outbox:
        assert outbox.expire(NOW - 5 * DAY) == 1
    with closing(sqlite3.connect(site.data_dir / "notify.sqlite")) as opened:
        assert opened.execute("SELECT name FROM notes ORDER BY id").fetchall() == [("2",), ("3",)]
