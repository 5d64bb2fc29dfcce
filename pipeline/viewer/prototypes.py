"""The embeddings that stand for identities, searched with FAISS."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, func, select, text

from pipeline.records import FloatArray
from pipeline.store.packing import unpack_embedding
from pipeline.store.schema import embeddings, meta, tracklets, updates
from pipeline.viewer.catalogue import View, decided, state

_NEAREST = 256  # prototypes looked at; an identity has a few for each camera
_CHUNK = 1000
_PROTOTYPE = text("tracklets.prototype")  # as its partial index says it

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """``similarity`` is the cosine of the nearest prototype, that of ``tracklet``."""

    identity: int
    similarity: float
    tracklet: int


class Prototypes:
    """Follows the store, also identities that have left the matcher's gallery. For any number
    of threads.

    A prototype that the matcher has put out of its gallery since it was read is kept: it shows
    its person all the same.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._fingerprint = ""
        self._forgotten = 0
        self._rows: dict[int, int] = {}  # by tracklet
        self._tracklets = np.empty(0, np.int64)
        self._matrix = np.empty((0, 0), np.float32)
        self._event = self._forgotten = 0
        self._open: set[int] = set()

    def search(self, embedding: FloatArray, view: View, limit: int) -> list[Match]:
        """The identities nearest to an embedding (D,), the most alike first."""
        with self._lock:
            self._follow()
            count = len(self._rows)
            if not count:
                return []
            query = np.ascontiguousarray(embedding, np.float32).reshape(1, -1)
            similarities, rows = faiss.knn(
                query, self._matrix[:count], min(_NEAREST, count), metric=faiss.METRIC_INNER_PRODUCT
            )
            numbers = self._tracklets[rows[0]]
        owners = _owners(view, numbers)
        best: dict[int, Match] = {}
        for number, owner, similarity in zip(
            numbers.tolist(), owners.tolist(), similarities[0].tolist(), strict=True
        ):
            if owner > 0 and owner not in best:
                best[owner] = Match(owner, similarity, number)
        return list(best.values())[:limit]

    def _follow(self) -> None:
        with self._engine.connect() as connection:
            query = select(meta.c.value).where(meta.c.key == "fingerprint")
            fingerprint = connection.scalar(query) or ""
            event, still_open, forgotten = state(connection)
            # another encoder, or somebody was forgotten: nothing of before is kept
            if fingerprint != self._fingerprint or forgotten != self._forgotten:
                self._fingerprint, self._rows = fingerprint, {}
                self._matrix = np.empty((0, 0), np.float32)
                stale = set(connection.scalars(select(tracklets.c.id).where(_PROTOTYPE)))
            else:  # an embedding changes while its tracklet is worked on
                stale = still_open | self._open | decided(connection, self._event)
            self._event, self._open, self._forgotten = event, still_open, forgotten
            for number, embedding in self._read(connection, sorted(stale)):
                self._put(number, embedding)

    def _read(self, connection: Connection, numbers: list[int]) -> list[tuple[int, FloatArray]]:
        """The newest embedding of each by the store's encoder; none of those that have none."""
        t, u, e = tracklets.c, updates.c, embeddings.c
        newest = (
            select(func.max(u.seq))
            .where(u.tracklet == t.id, u.embedding.is_not(None))
            .correlate(tracklets)
            .scalar_subquery()
        )
        found: list[tuple[int, FloatArray]] = []
        for first in range(0, len(numbers), _CHUNK):
            chunk = numbers[first : first + _CHUNK]
            own = (
                select(t.id, u.embedding)
                .join(updates, (u.tracklet == t.id) & (u.seq == newest))
                .where(t.id.in_(chunk), t.prototype, t.fingerprint == self._fingerprint)
            )
            later = (
                select(t.id, e.embedding)
                .join(embeddings, e.tracklet == t.id)
                .where(t.id.in_(chunk), t.prototype, e.fingerprint == self._fingerprint)
            )
            for query in (own, later):
                for row in connection.execute(query):
                    embedding = unpack_embedding(row.embedding)
                    assert embedding is not None
                    found.append((row.id, embedding))
        return found

    def _put(self, number: int, embedding: FloatArray) -> None:
        row = self._rows.setdefault(number, len(self._rows))
        if row >= len(self._matrix):
            self._make_room(len(embedding))
        self._matrix[row] = embedding
        self._tracklets[row] = number

    def _make_room(self, dimension: int) -> None:
        full = len(self._matrix)
        matrix = np.zeros((max(1024, 2 * full), dimension), np.float32)
        numbers = np.zeros(len(matrix), np.int64)
        if full:
            matrix[:full], numbers[:full] = self._matrix, self._tracklets
        self._matrix, self._tracklets = matrix, numbers


def _owners(view: View, numbers: Numbers) -> Numbers:
    """The identities that tracklets have now; 0 for none."""
    visits = view.visits[np.isin(view.visits["tracklet"], numbers)]
    owner = dict(zip(visits["tracklet"].tolist(), visits["identity"].tolist(), strict=True))
    return np.array([owner.get(number, 0) for number in numbers.tolist()], np.int64)
