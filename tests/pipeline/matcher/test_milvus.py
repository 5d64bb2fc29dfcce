"""The gallery in Milvus, in its small form that runs in a file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Matcher
from pipeline.config import Topology as Declared
from pipeline.errors import CamtrailError
from pipeline.matcher import milvus
from pipeline.matcher.engine import Engine
from pipeline.matcher.index import Exact
from pipeline.matcher.milvus import Milvus
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.records import FloatArray
from pipeline.store import Batch, Store
from tests.pipeline.matcher.synthetic import engine, scripts
from tests.pipeline.matcher.test_engine import mixed, play

D = 16
FLOOR = 0.2


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "gallery.db")


def vectors(count: int, seed: int = 0) -> FloatArray:
    drawn = np.random.default_rng(seed).standard_normal((count, D)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def test_it_finds_what_a_look_at_all_finds_whatever_changes(file: str) -> None:
    rng = np.random.default_rng(1)
    index, exact = Milvus(file, "yard"), Exact()
    for vector in vectors(30):
        index.append(vector)
        exact.append(vector)
    for turn, vector in enumerate(vectors(40, seed=2)):
        row = int(rng.integers(len(exact)))
        for one in (index, exact):
            if turn % 4 == 0:
                one.append(vector)
            elif turn % 4 == 1:
                one.replace(row, vector)
            else:
                one.remove(row)
        assert len(index) == len(exact)
        if turn % 3 == 0:
            queries = vectors(3, seed=turn)
            similarities, rows = exact.search(queries, 4, FLOOR)
            found = index.search(queries, 4, FLOOR)
            np.testing.assert_array_equal(found[1], rows)
            np.testing.assert_allclose(found[0], similarities, atol=1e-5)
    everyone = range(len(exact))
    np.testing.assert_array_equal(index.rows(everyone), exact.rows(everyone))
    index.close()


def test_the_same_is_decided_also_after_a_restart(file: str, tmp_path: Path) -> None:
    messages = mixed([script.envelopes() for script in scripts(0)], [0, 1, 2] * 300)
    expected = play(engine(), messages)
    config = Matcher()  # type: ignore[call-arg]
    thresholds = Thresholds.of(config, 0.6, 0.5)
    verdicts = []
    with Store.open(f"sqlite:///{tmp_path / 's.sqlite'}") as store:
        for part in (messages[:60], messages[60:]):
            index = Milvus(file, "yard")
            target = Engine.restore(
                store.snapshot(),
                config,
                thresholds,
                "abc",
                Topology(Declared()),
                wait_for_all=True,
                index=index,
            )
            assert len(index) == len(target.gallery)
            received = [r for m in part if (r := target.feed(m)) is not None]
            outcome = target.advance()
            runs = target.inbox.watermark.take_changed()
            store.commit(Batch(received, runs, outcome, target.inbox.fingerprint))
            verdicts += outcome.verdicts
            index.close()
    assert str(verdicts) == str(expected)


def test_who_was_taken_for_dead_finds_the_gallery_gone(file: str) -> None:
    first, elsewhere = Milvus(file, "yard"), Milvus(file, "shop")
    for index in (first, elsewhere):
        index.append(vectors(1)[0])
        index.search(vectors(1), 1, FLOOR)
    second = Milvus(file, "yard")
    first.append(vectors(2)[1])
    with pytest.raises(CamtrailError, match="Milvus"):
        first.search(vectors(1), 1, FLOOR)
    assert elsewhere.search(vectors(1), 1, FLOOR)[1].tolist() == [[0]]
    for index in (first, second, elsewhere):
        index.close()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus, "_TIMEOUT", 0.5)
    with pytest.raises(CamtrailError, match=r"Milvus \(http://ada:\*\*\*@127\.0\.0\.1:1\)"):
        Milvus("http://ada:secret@127.0.0.1:1", "yard")
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(CamtrailError, match=r"pip install 'camtrail\[milvus\]'"):
        Milvus("http://127.0.0.1:1", "yard")
