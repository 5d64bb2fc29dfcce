from __future__ import annotations

import numpy as np
import pytest

from pipeline.simulate import render_training_frames


@pytest.fixture(scope="module")
def frames() -> list[tuple[np.ndarray, np.ndarray]]:
    return list(render_training_frames(3, 45, per_scene=5))


def test_frames_come_with_valid_boxes(frames: list[tuple[np.ndarray, np.ndarray]]) -> None:
    assert len(frames) == 45
    for image, boxes in frames:
        assert image.shape == (360, 640, 3)
        assert image.dtype == np.uint8
        assert boxes.dtype == np.float32
        assert boxes.shape[1:] == (4,)
        assert np.all(boxes[:, :2] >= 0)
        assert np.all(boxes[:, 2:] <= (640, 360))
        assert np.all(boxes[:, 2:] - boxes[:, :2] >= 4)


def test_there_are_empty_frames_and_crowds_and_many_scenes(
    frames: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    counts = [len(boxes) for _, boxes in frames]
    assert min(counts) == 0
    assert max(counts) >= 8
    means = np.array([image.mean(axis=(0, 1)) for image, _ in frames]).reshape(9, 5, 3)
    assert means.mean(axis=1).std(axis=0).min() > 8  # scenes differ
    assert means.std(axis=1).max() < 8  # frames of one scene are alike


def test_the_seed_decides() -> None:
    first, again, other = (list(render_training_frames(s, 3, 320, 180)) for s in (5, 5, 6))
    for (a, boxes_a), (b, boxes_b) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(boxes_a, boxes_b)
    assert any(not np.array_equal(a, c) for (a, _), (c, _) in zip(first, other, strict=True))
