"""Embeddings of any number of people, distributed as the demo's encoder distributes them.

Simulated people are filmed and embedded; more are drawn from what that shows: a smoothed bootstrap,
whose people lie near those that were seen (so they keep their clusters) and vary as those do, and
whose views of a person vary as theirs did. Never uniform noise: that has neither neighbours that
are nearly alike nor few directions that matter, and an index would be judged by the wrong thing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.config import DEMO_ENCODER
from pipeline.records import FloatArray
from pipeline.simulate.crops import CropOptions, simulated_crops

_NEAR = 0.7  # how much of a drawn person comes from one that was seen
_BATCH = 64


class Population:
    """Draws people and views of them, as float16 would hold them.

    Args:
        embeddings: (n, D), each of one person in one camera.
        people: (n,) their numbers.
    """

    def __init__(self, embeddings: FloatArray, people: FloatArray, seed: int) -> None:
        numbers, owners = np.unique(people, return_inverse=True)
        means = np.array([embeddings[owners == n].mean(axis=0) for n in range(len(numbers))])
        views = np.bincount(owners)
        rest = (embeddings - means[owners]) * np.sqrt(views / (views - 1))[owners][:, None]
        self._middle = means.mean(axis=0)
        self._apart = means - self._middle
        self._between, self._within = _root(self._apart), _root(rest)
        self._rng = np.random.default_rng(seed)

    @classmethod
    def of_demo_encoder(cls, seed: int, kept: Path | None = None) -> Population:
        """Of simulated people, whose embeddings are kept in a file for the next time."""
        if kept is not None and kept.exists():
            with np.load(kept) as known:
                return cls(known["embeddings"], known["people"], seed)
        embeddings, people = _measure()
        if kept is not None:
            np.savez(kept, embeddings=embeddings, people=people)
        return cls(embeddings, people, seed)

    def persons(self, count: int) -> FloatArray:
        """(count, D), not normalised."""
        seen = self._apart[self._rng.integers(0, len(self._apart), count)]
        others = self._draw(self._between, count) * np.sqrt(1 - _NEAR**2)
        return np.asarray(self._middle + _NEAR * seen + others, np.float32)

    def views(self, persons: FloatArray) -> FloatArray:
        """(n, D) of length 1, one of each person."""
        seen = persons + self._draw(self._within, len(persons))
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        return np.asarray(seen.astype(np.float16), np.float32)

    def _draw(self, root: FloatArray, count: int) -> FloatArray:
        drawn: FloatArray = self._rng.standard_normal((count, len(root)), np.float32) @ root
        return drawn


class Crowd:
    """Without an encoder, for where nearly alike people do not matter: embeddings with a common
    direction, and a spectrum that falls.

    Two persons have a cosine of 0.25 +- 0.1, two tracklets of one about 0.8.
    """

    def __init__(self, dimension: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._scale = (np.arange(1, dimension + 1) ** -0.5).astype(np.float32)
        self._common = self._draw(1)[0] * np.float32(0.58)

    def persons(self, count: int) -> FloatArray:
        return _units(self._common + self._draw(count))

    def views(self, persons: FloatArray) -> FloatArray:
        noise = self._rng.standard_normal(persons.shape).astype(np.float32)
        return _units(persons + 0.5 * _units(noise))

    def _draw(self, count: int) -> FloatArray:
        return _units(
            self._rng.standard_normal((count, len(self._scale))).astype(np.float32) * self._scale
        )


def _root(samples: FloatArray) -> FloatArray:
    """(r, D): standard normal vectors (r,) times it vary as the samples (n, D) do."""
    _, scale, directions = np.linalg.svd(samples, full_matrices=False)
    return np.asarray(scale[:, None] * directions / np.sqrt(len(samples) - 1), np.float32)


def _measure() -> tuple[FloatArray, FloatArray]:
    """Embeddings (n, D) of people in cameras, pooled over two crops, and the people's numbers."""
    from reid_models import load_encoder

    options = CropOptions(
        seed=9001, train_identities=1, test_identities=199, cameras=4, per_camera=2
    )
    crops = list(simulated_crops(options))
    encoder = load_encoder(DEMO_ENCODER, device="cpu")
    embedded = np.concatenate(
        [
            encoder.embed([crop.image for crop in crops[first : first + _BATCH]])
            for first in range(0, len(crops), _BATCH)
        ]
    )
    both = np.array([(crop.identity, crop.camera) for crop in crops])
    places, owners = np.unique(both, axis=0, return_inverse=True)
    pooled = np.array([embedded[owners == n].mean(axis=0) for n in range(len(places))])
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    return np.asarray(pooled, np.float32), places[:, 0]


def _units(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
