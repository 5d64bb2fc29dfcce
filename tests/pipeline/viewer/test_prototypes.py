"""The embeddings in memory beside the store that they follow."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.records import Assignment, Decision, FloatArray, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Said, Store, Verdict
from pipeline.store.connection import open_database
from pipeline.viewer.catalogue import Catalogue
from pipeline.viewer.prototypes import Prototypes

DIMENSION = 16
FINGERPRINT = "f" * 64


class Site:
    """A store, and what follows it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "camtrail.sqlite"
        self.store = Store.open(f"sqlite:///{self.file}")
        engine = open_database(f"sqlite:///{self.file}", read_only=True)
        self.catalogue, self.prototypes = Catalogue(engine), Prototypes(engine)

    def put(self, embeddings: dict[int, FloatArray], seq: int = 1, close: bool = True) -> None:
        """Tracklets of these numbers, each an identity of its own."""
        updates = [update(n, e, seq) for n, e in embeddings.items()]
        verdicts = [
            Verdict(u.key, 9.0, Assignment(u.key, u.track, Decision.NEW, 0, 0, 9.0), None, {})
            for u in updates
            if seq == 1
        ]
        keys = [u.key for u in updates]
        outcome = Outcome(
            verdicts=verdicts,
            prototypes=dict.fromkeys(keys, True),
            closed=keys if close else [],
        )
        received = [Received(u, u.end) for u in updates]
        self.store.commit(Batch(received, [], outcome, FINGERPRINT))

    def search(self, embedding: FloatArray, limit: int = 5) -> list[tuple[int, float]]:
        matches = self.prototypes.search(embedding, self.catalogue.view(0), limit)
        return [(match.identity, match.similarity) for match in matches]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def update(track: int, embedding: FloatArray, seq: int = 1) -> TrackletUpdate:
    path = TrackPath.of([(float(seq), seq, (0, 0, 9, 9))])
    return TrackletUpdate(
        "gate", "R", track, seq, 0.0, float(seq), path, 3, 1.0, embedding, FINGERPRINT, None, 0.0,
        False,
    )  # fmt: skip


def random_embeddings(count: int, seed: int) -> FloatArray:
    found = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_the_nearest_beside_all_products(site: Site) -> None:
    embeddings = random_embeddings(3000, 1)
    site.put(dict(enumerate(embeddings, start=1)))
    stored = embeddings.astype(np.float16).astype(np.float64)  # as the store keeps them
    for query in random_embeddings(5, 2):
        products = stored @ query.astype(np.float64)
        best = np.argsort(-products)[:5]
        found = site.search(query)
        assert [identity for identity, _ in found] == (best + 1).tolist()
        assert [s for _, s in found] == pytest.approx(products[best].tolist(), abs=1e-5)


def test_what_comes_and_what_changes_is_found(site: Site) -> None:
    axes = np.eye(DIMENSION, dtype=np.float32)
    assert site.search(axes[0]) == []
    site.put({1: axes[0]})
    assert site.search(axes[0]) == [(1, 1.0)]
    site.put({2: axes[1]}, close=False)
    assert site.search(axes[1])[0] == (2, 1.0)
    site.put({2: axes[2]}, seq=2)  # the tracklet goes on, and is pooled anew
    assert site.search(axes[2])[0] == (2, 1.0)
    assert site.search(axes[1])[0][1] == 0.0


def test_who_is_forgotten_is_not_found(site: Site) -> None:
    axes = np.eye(DIMENSION, dtype=np.float32)
    site.put({1: axes[0], 2: axes[1]})
    assert len(site.search(axes[0])) == 2
    site.store.forget(1, Said("ada", 1.0, 1.0))
    assert site.search(axes[0]) == [(2, 0.0)]
    assert len(site.prototypes._matrix[site.prototypes._matrix[:, 0] == 1]) == 0  # nor kept


def test_embeddings_of_another_encoder_do_not_count(site: Site) -> None:
    axes = np.eye(DIMENSION, dtype=np.float32)
    foreign = replace(update(1, axes[0]), fingerprint="other")
    site.store.commit(Batch([Received(foreign, 1.0)], [], Outcome(), FINGERPRINT))
    site.put({2: axes[1]})
    with sqlite3.connect(site.file) as connection:
        connection.execute("UPDATE tracklets SET prototype = 1, identity = 2")
    assert site.search(axes[0]) == [(2, 0.0)]
