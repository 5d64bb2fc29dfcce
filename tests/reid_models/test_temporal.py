"""Sampling and pooling of tracklets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_models import EncoderError
from reid_models.temporal import sample_frames, temporal_partition_pooling

lengths, sizes = st.integers(1, 400), st.integers(1, 40)


@given(lengths, sizes)
def test_even_sampling_takes_the_middle_of_equal_spans(length: int, size: int) -> None:
    wanted = [int((i + 0.5) * length / size + 1e-9) for i in range(size)]
    np.testing.assert_array_equal(sample_frames(length, size), wanted)


@given(lengths, sizes, st.integers(0, 9))
def test_random_sampling_is_in_order_and_repeats_only_where_it_must(
    length: int, size: int, seed: int
) -> None:
    taken = sample_frames(length, size, np.random.default_rng(seed))
    assert taken.shape == (size,)
    assert 0 <= taken.min() <= taken.max() < length
    assert (np.diff(taken) >= (0 if length < size else 1)).all()
    np.testing.assert_array_equal(taken, sample_frames(length, size, np.random.default_rng(seed)))


def test_the_documents_fifteen_frames() -> None:
    assert sample_frames(15).tolist() == list(range(15))
    assert sample_frames(45).tolist() == list(range(1, 45, 3))
    assert sample_frames(1).tolist() == [0] * 15


@pytest.mark.parametrize("groups", [1, 2, 3, 15])
def test_equals_a_plain_loop(groups: int) -> None:
    features = np.random.default_rng(0).standard_normal((4, 15, 6))
    found = temporal_partition_pooling(features, groups)
    assert found.shape == (4, groups * 6)
    sizes = [15 // groups + (g < 15 % groups) for g in range(groups)]
    for tracklet, row in zip(features, found, strict=True):
        wanted, start = [], 0
        for size in sizes:
            for d in range(6):
                total = sum(float(tracklet[t, d]) for t in range(start, start + size))
                wanted.append(total / size)
            start += size
        np.testing.assert_allclose(row, wanted, atol=1e-12)


def test_beginning_and_end_are_told_apart() -> None:
    """Partition tells a tracklet from the same one reversed; plain pooling does not."""
    there = np.arange(30, dtype=np.float32).reshape(15, 2)
    back = there[::-1]
    plain = [temporal_partition_pooling(x, 1) for x in (there, back)]
    np.testing.assert_allclose(plain[0], plain[1])
    three = [temporal_partition_pooling(x) for x in (there, back)]
    np.testing.assert_array_equal(three[0].reshape(3, 2), three[1].reshape(3, 2)[::-1])
    assert three[0].dtype == np.float32


@pytest.mark.parametrize("groups", [0, 4])
def test_more_groups_than_images(groups: int) -> None:
    with pytest.raises(EncoderError, match=r"groups cannot be made of features \(3, 8\)"):
        temporal_partition_pooling(np.zeros((3, 8)), groups)


def test_wrong_shapes_and_lengths() -> None:
    with pytest.raises(EncoderError, match="must be"):
        temporal_partition_pooling(np.zeros(8), 1)
    with pytest.raises(EncoderError, match="cannot sample 15 images of a tracklet of 0"):
        sample_frames(0)
    with pytest.raises(EncoderError, match="cannot sample 0 images"):
        sample_frames(5, 0)
