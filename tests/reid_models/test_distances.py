"""Distances against naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reid_models import EncoderError
from reid_models.distances import cosine, euclidean, normalise, squared_euclidean

A = np.random.default_rng(1).standard_normal((5, 7))
B = np.random.default_rng(2).standard_normal((4, 7))


def test_values() -> None:
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
            angle = 1 - sum(x * y for x, y in zip(a, b, strict=True)) / lengths
            assert cosine(A, B)[i, j] == pytest.approx(angle, abs=1e-12)
            assert euclidean(A, B)[i, j] == pytest.approx(math.dist(a, b), abs=1e-12)
            assert squared_euclidean(A, B)[i, j] == pytest.approx(math.dist(a, b) ** 2, abs=1e-12)


def test_rounding_never_leaves_the_range() -> None:
    rows = np.random.default_rng(3).standard_normal((40, 300)).astype(np.float32) * 1e3
    assert squared_euclidean(rows, rows).min() >= 0
    assert cosine(rows, -rows).max() <= 2
    assert normalise(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


def test_shapes_are_checked() -> None:
    with pytest.raises(EncoderError, match=r"not \(5, 7\) and \(7,\)"):
        cosine(A, B[0])
