"""A tracklet as the matcher knows it at its event time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pipeline.matcher.presence import Visit
from pipeline.matcher.scoring import MIN_AGE, MIN_CROPS
from pipeline.records import Assignment, FloatArray, TrackletKey, TrackletUpdate

_LEAST_REST = 0.5  # of the quality of the first crops


@dataclass(slots=True, eq=False)
class Tracklet:
    """``evidence_at`` is when its first embedding was known (inf: not yet). ``said`` is whether a
    person said that it has its identity: nothing takes it from there then.
    """

    visit: Visit
    crops: int = 0
    quality: float = 0.0
    embedding: FloatArray | None = None
    whitened: FloatArray | None = None
    evidence_at: float = math.inf
    assignment: Assignment | None = None
    said: bool = False
    key: TrackletKey = field(init=False)
    # Embedding, crops and quality, when it first was telling: see `halves`.
    _first: tuple[FloatArray, int, float] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.key = self.visit.key

    @property
    def order(self) -> tuple[float, TrackletKey]:
        """In which order decisions are taken."""
        return self.visit.start, self.key

    def said_with(self, other: Tracklet) -> bool:
        """Whether a person said that both show one identity, whatever speaks against it."""
        if self.assignment is None or other.assignment is None:
            return False
        return self.said and other.said and self.assignment.identity == other.assignment.identity

    @staticmethod
    def of(update: TrackletUpdate) -> Tracklet:
        """A tracklet of which nothing is known yet but its beginning."""
        return Tracklet(Visit(update.key, update.start, update.start))

    @property
    def active(self) -> bool:
        """Whether it goes on, or has still to be decided."""
        undecided = self.assignment is None and self.embedding is not None
        return undecided or not self.visit.ended

    def apply(self, update: TrackletUpdate, known_at: float) -> None:
        """Takes over what an update says."""
        self.visit.end = max(self.visit.end, update.end)
        self.visit.ended |= update.ended
        self.visit.follow(update.path)
        if update.embedding is None:
            return
        self.crops, self.quality = update.crops, update.quality
        # As the store keeps it, so that a restart changes nothing.
        self.embedding = update.embedding.astype(np.float16).astype(np.float32)
        self.evidence_at = min(self.evidence_at, known_at)
        if self._first is None and self.telling:
            self._first = self.embedding, self.crops, self.quality

    @property
    def halves(self) -> tuple[FloatArray, FloatArray] | None:
        """What the first crops show (D,), and about what those that came after them do, where there
        are enough of both. Embeddings are sums by quality, brought to length 1: as if these sums
        were as long as the qualities together, the one less the other is the rest.
        """
        if self.embedding is None or self._first is None:
            return None
        first, crops, quality = self._first
        # Of little that came later, that would be mostly the first crops once more. And no crop
        # made them differ where another encoder looked at the whole tracklet later.
        few = self.crops < crops + MIN_CROPS or self.quality < quality * (1 + _LEAST_REST)
        if few or np.array_equal(self.embedding, first):
            return None
        rest = self.quality * self.embedding - quality * first
        return first, np.asarray(rest / max(float(np.linalg.norm(rest)), 1e-12), np.float32)

    @property
    def telling(self) -> bool:
        """Whether its embedding comes from enough crops."""
        return self.embedding is not None and self.crops >= MIN_CROPS

    def decidable(self, now: float) -> bool:
        """Whether there is enough to decide on."""
        mature = now - self.visit.start >= MIN_AGE or self.visit.ended
        return self.telling or (self.embedding is not None and mature)
