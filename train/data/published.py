"""The counts that the data sets' authors published, and how those on disk differ from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from train.data.dataset import Found, Sample, cameras, identities, tracklets


@dataclass(frozen=True)
class Part:
    """Counts of one part; None where they are not known, or differ with how one counts."""

    images: int | None = None
    identities: int | None = None
    cameras: int | None = None
    tracklets: int | None = None


@dataclass(frozen=True)
class Published:
    """Counts of a data set. Identities are people: junk and distractors do not count."""

    train: Part
    query: Part
    gallery: Part


_VIPER_HALF = Part(images=316, identities=316, cameras=1)
_CUHK03_OLD = Published(
    Part(identities=1_367, cameras=2),
    Part(identities=100, cameras=1),
    Part(images=100, identities=100, cameras=1),
)
_VEHICLEID_TRAIN = Part(images=113_346, identities=13_164)

# By kind and version, as the loaders name them. Papers on VehicleID state 110,178 images of
# 13,134 vehicles; its lists hold 113,346 of 13,164.
COUNTS: dict[tuple[str, str], Published] = {
    ("market1501", ""): Published(Part(12_936, 751, 6), Part(3_368, 750, 6), Part(19_732, 750, 6)),
    ("dukemtmc", ""): Published(Part(16_522, 702, 8), Part(2_228, 702, 8), Part(17_661, 1_110, 8)),
    **{
        ("msmt17", version): Published(
            Part(32_621, 1_041, 15), Part(11_659, 3_060, 15), Part(82_161, 3_060, 15)
        )
        for version in ("version 1", "version 2")
    },
    ("cuhk03", "new protocol, labeled"): Published(
        Part(7_368, 767, 2), Part(1_400, 700, 2), Part(5_328, 700, 2)
    ),
    ("cuhk03", "new protocol, detected"): Published(
        Part(7_365, 767, 2), Part(1_400, 700, 2), Part(5_332, 700, 2)
    ),
    **{
        ("cuhk03", f"old protocol, {boxes}, split {split}"): _CUHK03_OLD
        for boxes in ("labeled", "detected")
        for split in range(20)
    },
    **{
        ("viper", f"split {split}"): Published(Part(632, 316, 2), _VIPER_HALF, _VIPER_HALF)
        for split in range(10)
    },
    ("mars", ""): Published(
        Part(509_914, 625, 6, 8_298),
        Part(cameras=6, tracklets=1_980),
        Part(images=681_089, cameras=6, tracklets=12_180),
    ),
    ("veri776", ""): Published(Part(37_778, 576, 20), Part(1_678, 200), Part(11_579, 200)),
    **{
        ("vehicleid", f"test size {size}, split {split}"): Published(
            _VEHICLEID_TRAIN, Part(images - size, size), Part(size, size)
        )
        for size, images in ((800, 6_493), (1_600, 13_377), (2_400, 19_777))
        for split in range(10)
    },
}


def differences(found: Found) -> list[str]:
    """Where the counts found are not the published ones; empty where none are published."""
    published = COUNTS.get((found.kind, found.version))
    if published is None:
        return []
    parts = (
        ("train", found.train, published.train),
        ("query", found.query, published.query),
        ("gallery", found.gallery, published.gallery),
    )
    return [line for name, samples, part in parts for line in _compare(name, samples, part)]


def _compare(name: str, samples: Sequence[Sample], part: Part) -> list[str]:
    counts = {
        "images": (len(samples), part.images),
        "identities": (len(identities(samples)), part.identities),
        "cameras": (len(cameras(samples)), part.cameras),
        "tracklets": (len(tracklets(samples)), part.tracklets),
    }
    return [
        f"{name}: {found:,} {what}, published {said:,}"
        for what, (found, said) in counts.items()
        if said is not None and found != said
    ]
