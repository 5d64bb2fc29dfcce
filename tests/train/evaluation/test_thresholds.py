"""Recommended thresholds against a naive loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation import Features, recommend


def test_it_is_the_share_of_other_people_in_other_cameras() -> None:
    rng = np.random.default_rng(2)

    def features(count: int) -> Features:
        vectors = rng.normal(size=(count, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Features(vectors, rng.integers(1, 9, count), rng.integers(1, 4, count))

    query, gallery = features(700), features(90)
    similarities = [
        float(query.embeddings[q] @ gallery.embeddings[g])
        for q in range(700)
        for g in range(90)
        if query.identities[q] != gallery.identities[g] and query.cameras[q] != gallery.cameras[g]
    ]
    found = recommend(query, gallery)
    assert found.accept == pytest.approx(np.quantile(similarities, 1 - 1e-4), abs=1e-4)
    assert found.new == pytest.approx(np.quantile(similarities, 1 - 1e-2), abs=1e-4)
