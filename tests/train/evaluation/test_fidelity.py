"""Error-I and Error-II against a naive loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from train.errors import TrainError
from train.evaluation import Features, blocks, error_counts


def naive(x: np.ndarray, labels: list[int]) -> tuple[float, float]:
    first, second = [], []
    for i, label in enumerate(labels):
        own = [math.dist(x[i], x[j]) for j, k in enumerate(labels) if k == label and j != i]
        others = [math.dist(x[i], x[j]) for j, k in enumerate(labels) if k not in (label, -1)]
        if label > 0 and own:
            first.append(sum(d < max(own) for d in others))
            second.append(sum(d > min(others) for d in own))
    return sum(first) / len(first), sum(second) / len(second)


def test_agrees_with_the_naive_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    labels = [*rng.integers(-1, 12, 90).tolist(), 99]  # 99 has no other image
    x = rng.standard_normal((91, 5)) + np.eye(13)[np.array(labels) % 13][:, :5] * 2
    x[10:20] = x[30:40]  # ties
    images = Features(x, np.array(labels), np.zeros(91, int))
    wanted = naive(x, labels)
    assert wanted[0] > wanted[1] > 0
    assert error_counts(images) == pytest.approx(wanted)
    monkeypatch.setattr(blocks, "BLOCK", 7 * 91)
    assert error_counts(images) == pytest.approx(wanted)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert error_counts(images, "cosine") == pytest.approx(naive(unit, labels))


def test_of_people_apart_there_are_none() -> None:
    x = np.repeat(np.eye(4), 3, axis=0)
    found = error_counts(Features(x, np.repeat(np.arange(1, 5), 3), np.zeros(12, int)))
    assert found == (0, 0)


def test_nobody_with_two_images() -> None:
    with pytest.raises(TrainError, match="no person has two images"):
        error_counts(Features(np.eye(3), np.array([0, 0, 1]), np.zeros(3, int)))
