"""The colour baseline."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from train.data import load_folder
from train.evaluation import evaluate, histogram_features
from train.evaluation.histogram import colour_histogram


def test_distance_is_the_mean_squared_bhattacharyya_distance_of_the_stripes() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (61, 30, 3), np.uint8) // 64 * 64 for _ in range(2))
    total = 0.0
    for k in range(6):
        histograms = []
        for image in (a, b):
            stripe = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[k * 61 // 6 : (k + 1) * 61 // 6]
            counts = np.zeros((8, 8, 8))
            for h, s, v in stripe.reshape(-1, 3).astype(int):
                counts[h * 8 // 180, s * 8 // 256, v * 8 // 256] += 1
            histograms.append(counts.ravel() / counts.sum())
        total += 1 - np.sqrt(histograms[0] * histograms[1]).sum()
    found = np.square(colour_histogram(a) - colour_histogram(b)).sum() / 2
    assert abs(found - total / 6) < 1e-5


def test_a_picture_of_fewer_rows_than_stripes() -> None:
    assert np.isfinite(colour_histogram(np.zeros((3, 4, 3), np.uint8))).all()


def test_solves_what_colour_alone_can_solve(market: Path) -> None:
    data = load_folder(market, "m")
    ranking = evaluate(
        histogram_features(data.query), histogram_features(data.gallery), "euclidean"
    )
    assert ranking.queries == 8
    assert ranking.mean_average_precision > 0.3  # 6 of 16 would be chance
