"""Features, and what is pooled of them."""

from __future__ import annotations

import numpy as np
import pytest

from train.errors import TrainError
from train.evaluation import Features, multi_query, pool_tracklets


def features(rows: list[tuple[float, int, int]]) -> Features:
    values, identities, cameras = zip(*rows, strict=True)
    vectors = np.array([[v, 1.0] for v in values], np.float32)
    return Features(vectors, np.array(identities), np.array(cameras))


def test_a_multi_query_is_the_mean_of_a_person_in_a_camera() -> None:
    query = features([(1, 5, 1), (2, 5, 2), (3, 6, 1), (5, 5, 1)])
    gallery = features([(9, 5, 1), (4, 5, 2), (100, 5, 3), (100, 7, 1), (100, -1, 1)])
    found, first = multi_query(query, gallery)
    assert first.tolist() == [0, 1, 2]
    assert found.identities.tolist() == [5, 5, 6]
    assert found.cameras.tolist() == [1, 2, 1]
    assert found.embeddings.tolist() == [[5, 1], [3, 1], [3, 1]]
    assert found.embeddings.dtype == np.float32


def test_a_tracklet_is_the_mean_of_its_images() -> None:
    images = features([(1, 5, 1), (3, 5, 1), (8, 5, 2), (4, 6, 1), (6, -1, 1)])
    found, first = pool_tracklets(images, [0, 0, 0, 0, 1])
    assert first.tolist() == [0, 2, 3, 4]
    assert found.identities.tolist() == [5, 5, 6, -1]
    assert found.cameras.tolist() == [1, 2, 1, 1]
    assert found.embeddings[:, 0].tolist() == [2, 8, 4, 6]


def test_tracklets_must_be_known() -> None:
    images = features([(1, 5, 1), (3, 5, 1)])
    with pytest.raises(TrainError, match="which tracklet they are of"):
        pool_tracklets(images, [1, None])
    with pytest.raises(TrainError, match="as many tracklets"):
        pool_tracklets(images, [1])


def test_features_are_checked() -> None:
    with pytest.raises(TrainError, match=r"must be \(N, D\)"):
        Features(np.zeros(3), np.arange(3), np.arange(3))
    with pytest.raises(TrainError, match="as many identities"):
        Features(np.eye(3), np.arange(2), np.arange(3))
    with pytest.raises(TrainError, match="finite"):
        Features(np.full((1, 2), np.nan), np.arange(1), np.arange(1))
