from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import CamtrailError
from pipeline.simulate import Crop, CropOptions, simulate_crops, simulated_crops

OPTIONS = CropOptions(seed=6, train_identities=3, test_identities=30, cameras=4, per_camera=3)


@pytest.fixture(scope="module")
def crops() -> list[Crop]:
    return list(simulated_crops(OPTIONS))


def test_everybody_is_in_every_camera_as_often_as_asked(crops: list[Crop]) -> None:
    assert len(crops) == OPTIONS.total
    counts = Counter((c.identity, c.camera) for c in crops)
    assert set(counts.values()) == {3}
    assert len(counts) == 33 * 4


def test_train_and_test_identities_are_disjoint(crops: list[Crop]) -> None:
    split = defaultdict(set)
    for c in crops:
        split[c.split].add(c.identity)
    assert split["train"] == {1, 2, 3}
    assert split["query"] == split["gallery"] == set(range(4, 34))
    queries = Counter((c.identity, c.camera) for c in crops if c.split == "query")
    assert set(queries.values()) == {1}


def test_crops_look_like_a_detectors(crops: list[Crop]) -> None:
    heights = [c.image.shape[0] for c in crops]
    assert min(heights) >= 40
    assert max(heights) <= 340
    assert 80 < np.median(heights) < 170
    for c in crops:
        assert c.image.dtype == np.uint8
        assert c.image.ndim == 3
        assert c.image.std() > 3


def test_a_colour_histogram_does_not_solve_it(crops: list[Crop]) -> None:
    """HSV 8x8x8 in six stripes, Bhattacharyya, gallery from other cameras: above chance (the
    crops carry colour), below 60 % at Rank-1. There are only 30 people here to mix up."""

    def stripes(image: np.ndarray) -> np.ndarray:
        hsv = cv2.cvtColor(cv2.resize(image, (64, 128)), cv2.COLOR_RGB2HSV)
        rows = []
        for part in np.array_split(hsv, 6):
            bins = [8, 8, 8]
            h = cv2.calcHist([part], [0, 1, 2], None, bins, [0, 180, 0, 256, 0, 256])
            rows.append(np.sqrt(h.ravel() / h.sum()))
        return np.stack(rows)

    features = {id(c): stripes(c.image) for c in crops}
    gallery = [c for c in crops if c.split == "gallery"]
    queries = [c for c in crops if c.split == "query"]
    hits = 0
    for q in queries:
        others = [g for g in gallery if g.camera != q.camera]
        affinity = np.stack([features[id(g)] for g in others]) * features[id(q)]
        distance = np.sqrt(np.maximum(0, 1 - affinity.sum(axis=2))).sum(axis=1)
        hits += others[int(np.argmin(distance))].identity == q.identity
    assert 0.1 < hits / len(queries) < 0.6


def test_the_folder_has_the_layout_of_market_1501(tmp_path: Path) -> None:
    options = CropOptions(seed=6, train_identities=2, test_identities=2, cameras=2, per_camera=2)
    calls: list[tuple[int, int]] = []
    for name in ("a", "b"):
        simulate_crops(tmp_path / name, options, lambda *c: calls.append(c))
    assert calls[-1] == (16, 16)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.jpg"))
    assert Counter(p.parts[0] for p in files) == {
        "bounding_box_train": 8, "query": 4, "bounding_box_test": 4,
    }  # fmt: skip
    for path in files:
        match = re.fullmatch(r"(\d{4})_c(\d)s1_(\d{6})_01\.jpg", path.name)
        assert match
        assert (int(match[1]) <= 2) == (path.parts[0] == "bounding_box_train")
        a, b = (hashlib.sha256((tmp_path / n / path).read_bytes()).digest() for n in ("a", "b"))
        assert a == b
    assert cv2.imread(str(tmp_path / "a" / files[0])) is not None
    with pytest.raises(CamtrailError, match="not an empty folder"):
        simulate_crops(tmp_path / "a", options)


@pytest.mark.parametrize(
    "wrong", [{"train_identities": 0}, {"test_identities": 0}, {"cameras": 0}, {"per_camera": 51}]
)
def test_options_out_of_range_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(CamtrailError, match=next(iter(wrong))):
        CropOptions(**{"seed": 1, **wrong})
