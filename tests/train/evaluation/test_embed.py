"""From images to features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.data import load_folder, read_image
from train.errors import TrainError
from train.evaluation import embed, histogram_features
from train.evaluation.histogram import colour_histogram


def test_features_keep_the_order_of_the_samples(
    market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "_CHUNK", 3)
    samples = load_folder(market, "m").gallery
    done: list[int] = []
    found = histogram_features(samples, done.append)
    wanted = [colour_histogram(read_image(sample.path)) for sample in samples]
    np.testing.assert_array_equal(found.embeddings, wanted)
    assert found.identities.tolist() == [sample.identity for sample in samples]
    assert found.cameras.tolist() == [sample.camera for sample in samples]
    assert done == [3, 3, 3, 3, 3, 1]


def test_no_images_and_unreadable_ones(market: Path) -> None:
    with pytest.raises(TrainError, match="no test part"):
        histogram_features([])
    samples = load_folder(market, "m").gallery
    samples[5].path.write_bytes(b"nothing")
    with pytest.raises(TrainError, match="not a readable image"):
        histogram_features(samples)
