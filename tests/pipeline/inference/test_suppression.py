from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inference.suppression import suppress
from pipeline.records import FloatArray


def crowd(seed: int, count: int) -> tuple[FloatArray, FloatArray]:
    """Boxes in a few heaps, each with a score of its own."""
    rng = np.random.default_rng(seed)
    heaps = rng.uniform(0, 400, (4, 2))[rng.integers(0, 4, count)]
    top_left = heaps + rng.normal(0, 12, (count, 2))
    boxes = np.hstack((top_left, top_left + rng.uniform(30, 60, (count, 2))))
    scores = rng.permutation(count) / (count + 1)
    return boxes.astype(np.float32), scores.astype(np.float32)


@given(st.integers(0, 10_000), st.integers(0, 120), st.sampled_from([0.3, 0.6, 0.8]))
def test_keeps_what_ultralytics_keeps(seed: int, count: int, overlap: float) -> None:
    from ultralytics.utils.nms import TorchNMS

    boxes, scores = crowd(seed, count)
    kept = suppress(boxes, scores, overlap, most=count)
    wanted = TorchNMS.nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap)
    np.testing.assert_array_equal(kept, wanted.numpy())
    np.testing.assert_array_equal(suppress(boxes, scores, overlap, most=5), kept[:5])


def test_an_overlap_of_exactly_the_line_is_no_reason_to_go() -> None:
    half = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)  # 50 of 100 in common
    scores = np.array([0.5, 0.9], np.float32)
    assert suppress(half, scores, 0.5, most=9).tolist() == [1, 0]
    assert suppress(half, scores, 0.49, most=9).tolist() == [1]


@pytest.mark.parametrize("side", [0, 10])
def test_of_equals_the_first_stays(side: int) -> None:
    boxes = np.tile(np.array([[5, 5, 5 + side, 5 + side]], np.float32), (3, 1))
    kept = suppress(boxes, np.full(3, 0.5, np.float32), 0.6, most=9)
    assert kept.tolist() == ([0] if side else [0, 1, 2])  # without an area nothing overlaps
