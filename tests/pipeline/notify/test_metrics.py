"""What the notifier counts is what its outbox has counted meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from pipeline.notify import metrics
from pipeline.notify.metrics import Counted
from pipeline.notify.outbox import Note, Outbox, Place
from pipeline.records import TrackletKey
from pipeline.telemetry.metrics import REGISTRY

KEY = TrackletKey("gate", "01JGVJ9ZZZZZZZZZZZZZZZZZZZ", 4)


def now() -> tuple[float, ...]:
    names = ("delivered_total", "given_up_total", "waiting")
    labels = {"receiver": "counted"}
    return tuple(
        REGISTRY.get_sample_value(f"camtrail_notify_{name}", labels) or 0 for name in names
    )


def test_counts_follow_the_outbox_from_the_first_look_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_LOOK_SECONDS", 0.0)
    Outbox.create(tmp_path, Place(0, 0, 0.0, 0))
    with closing(Outbox(tmp_path)) as outbox:

        def put(count: int) -> None:
            for number in range(count):
                note = Note(0, f"01J{number}", "person.seen", number, KEY, float(number), None)
                outbox.put(note, ["counted"], 1e9, most=10)

        def next_note() -> Note:
            waiting = outbox.first("counted")
            assert waiting is not None
            return waiting.note

        put(3)
        outbox.delivered("counted", next_note())  # before we began
        counted = Counted(outbox, ["counted"])
        counted.look()
        assert now() == (0, 0, 2)
        outbox.delivered("counted", next_note())
        outbox.give_up("counted", next_note())
        put(12)  # of which the queue keeps ten
        counted.look()
        counted.look()
        assert now() == (1, 3, 10)
