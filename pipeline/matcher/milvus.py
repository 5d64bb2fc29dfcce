"""Embeddings in a Milvus server, for galleries that the matcher's machine cannot hold.

The store stays the record: a matcher that starts fills a collection of its own, and drops those
that others left. One that was taken for dead finds its collection gone, and ends. Where the server
fails, so does the matcher: it is started again, and goes on from the store.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from pipeline.config import redact
from pipeline.errors import CamtrailError
from pipeline.matcher.index import Rows
from pipeline.records import FloatArray

_WAITING = 1_000  # rows that are sent at once, at most
_TIMEOUT = 20.0  # seconds


class Milvus:
    """An `Index` in a collection; what changed since the last search is sent before the next.

    Args:
        uri: of the server (``https://USER:PASSWORD@HOST:19530``), or a file for milvus-lite.
        site: the name; sites may share a server.

    Raises:
        CamtrailError: pymilvus is not installed, or the server does not answer. So do all methods.
    """

    def __init__(self, uri: str, site: str) -> None:
        try:
            from pymilvus import MilvusClient
        except ModuleNotFoundError as error:
            raise CamtrailError(
                f"matcher.gallery: {redact(uri)} needs the package {error.name}; "
                "pip install 'camtrail[milvus]'"
            ) from None
        own = f"camtrail_{hashlib.sha256(site.encode()).hexdigest()[:12]}_"
        self._uri = uri
        self._collection = own + secrets.token_hex(4)
        self._dimension: int | None = None
        self._count = 0
        self._waiting: dict[int, FloatArray] = {}
        self._gone: set[int] = set()
        self._seen: dict[int, FloatArray] = {}  # lately; nothing else changes them
        with self._answering():
            self._client = MilvusClient(uri=uri, timeout=_TIMEOUT)
            for left in self._client.list_collections():
                if left.startswith(own):
                    self._client.drop_collection(left)

    def __len__(self) -> int:
        return self._count

    @property
    def dimension(self) -> int | None:
        return self._dimension

    @property
    def recall(self) -> float:
        return math.nan  # the server does not say

    def close(self) -> None:
        """Drops the collection, where the server answers; the next matcher drops what is left."""
        with suppress(CamtrailError), self._answering():
            self._client.drop_collection(self._collection)
            self._client.close()

    def append(self, embedding: FloatArray) -> None:
        if self._dimension is None:
            self._create(len(embedding))
        self.replace(self._count, embedding)
        self._count += 1

    def replace(self, row: int, embedding: FloatArray) -> None:
        self._waiting[row] = embedding
        self._seen.pop(row, None)
        if len(self._waiting) >= _WAITING:
            self._send()

    def remove(self, row: int) -> None:
        last = self._count - 1
        if row != last:
            self.replace(row, self.rows([last])[0])
        self._waiting.pop(last, None)
        self._seen.pop(last, None)
        self._gone.add(last)
        self._count = last

    def rows(self, rows: Sequence[int]) -> FloatArray:
        missing = [r for r in rows if r not in self._waiting and r not in self._seen]
        if missing:
            with self._answering():
                found = self._client.get(self._collection, ids=missing, output_fields=["embedding"])
            self._seen |= {e["row"]: np.asarray(e["embedding"], np.float32) for e in found}
        return np.array([self._waiting.get(r, self._seen.get(r)) for r in rows], np.float32)

    def search(self, queries: FloatArray, nearest: int, floor: float) -> tuple[FloatArray, Rows]:
        self._send()
        with self._answering():
            answers = self._client.search(
                self._collection,
                data=queries.tolist(),
                limit=nearest,
                search_params={"metric_type": "IP"},
                output_fields=["embedding"],
                consistency_level="Strong",
            )
        self._seen = {}
        similarities = np.full((len(queries), nearest), -np.inf, np.float32)
        rows = np.full((len(queries), nearest), -1, np.int64)
        for n, answer in enumerate(answers):
            for place, hit in enumerate(answer):
                row, embedding = hit["row"], np.asarray(hit["entity"]["embedding"], np.float32)
                self._seen[row] = embedding
                rows[n, place] = row
                similarities[n, place] = queries[n] @ embedding
        return similarities, rows

    def _create(self, dimension: int) -> None:
        with self._answering():
            self._client.create_collection(
                self._collection,
                dimension=dimension,
                primary_field_name="row",
                vector_field_name="embedding",
                metric_type="IP",
                consistency_level="Strong",
            )
        self._dimension = dimension

    def _send(self) -> None:
        with self._answering():
            if self._gone:
                self._client.delete(self._collection, ids=sorted(self._gone))
            if self._waiting:
                data = [{"row": r, "embedding": e.tolist()} for r, e in self._waiting.items()]
                self._client.upsert(self._collection, data=data)
        self._seen |= self._waiting
        self._waiting, self._gone = {}, set()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, OSError) as error:
            raise CamtrailError(f"Milvus ({redact(self._uri)}): {redact(str(error))}") from None
