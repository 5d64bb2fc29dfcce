"""Which crops are exported, and as whose."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.store import StoredCrop


class Labels(StrEnum):
    """Where a label comes from, or must come from."""

    CONFIRMED = "confirmed"
    MATCHED = "matched"
    TRACKLET = "tracklet"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for.

    ``since`` and ``until`` are seconds since the epoch, ``cameras`` names (none: all),
    ``min_quality`` in [0, 1], ``test`` the share in [0, 1) of the identities seen by several
    cameras that is kept for testing.
    """

    labels: Labels = Labels.MATCHED
    since: float | None = None
    until: float | None = None
    cameras: tuple[str, ...] = ()
    min_quality: float = 0.0
    test: float = 0.25

    def takes(self, crop: StoredCrop) -> bool:
        """Whether camera, time and quality are asked for."""
        return (
            (not self.cameras or crop.key.camera in self.cameras)
            and (self.since is None or crop.time >= self.since)
            and (self.until is None or crop.time < self.until)
            and crop.quality >= self.min_quality
        )


@dataclass(frozen=True, slots=True)
class Labelled:
    """A crop, who it shows, and where that is known from."""

    crop: StoredCrop
    identity: int
    source: Labels


def label(crop: StoredCrop, labels: Labels) -> Labelled | None:
    """The crop with its label; None where it has none of the kind asked for."""
    if labels is Labels.TRACKLET:
        return Labelled(crop, crop.tracklet, Labels.TRACKLET)
    if crop.confirmed is not None:
        return Labelled(crop, crop.confirmed, Labels.CONFIRMED)
    if labels is Labels.MATCHED and crop.identity is not None:
        return Labelled(crop, crop.identity, Labels.MATCHED)
    return None


def held_out(crops: Iterable[Labelled], share: float, site: str) -> set[int]:
    """The identities to test on: a share of those that several cameras saw.

    The order in which identities are taken depends on the site's name and their numbers alone, so
    that somebody who was tested on by one export is rarely trained on by the next. None where it
    would be a single one, which could not be mistaken for anybody.
    """
    cameras: defaultdict[int, set[str]] = defaultdict(set)
    for labelled in crops:
        cameras[labelled.identity].add(labelled.crop.key.camera)
    several = [identity for identity, seen in cameras.items() if len(seen) > 1]
    several.sort(key=lambda identity: hashlib.sha256(f"{site}/{identity}".encode()).digest())
    number = round(share * len(several))
    return set(several[:number]) if number > 1 else set()


def queries(crops: Sequence[Labelled]) -> list[Labelled]:
    """The best crop of each identity in each camera, the first of equals."""
    best: dict[tuple[int, str], Labelled] = {}
    for labelled in crops:
        place = (labelled.identity, labelled.crop.key.camera)
        if place not in best or labelled.crop.quality > best[place].crop.quality:
            best[place] = labelled
    return list(best.values())
