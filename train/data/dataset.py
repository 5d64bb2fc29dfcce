"""What every data set looks like, whatever its layout on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """One image of one person (or vehicle) in one camera.

    ``identity`` is above 0; in a gallery -1 marks junk and 0 a distractor. ``camera`` counts from
    1 (or 0). ``tracklet`` numbers the sequence that the image is part of, within its part of the
    data set; ``time`` is when it was taken, in seconds since the epoch. None: the data do not say.
    """

    path: Path
    identity: int
    camera: int
    tracklet: int | None = None
    time: float | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set whose every image was opened once.

    Attributes:
        name: what to call it in reports, as it was given.
        train: images to learn from.
        query: what is searched for; empty where the data have no test part.
        gallery: where it is searched; identity -1 is junk, 0 a distractor.
        left_out: one line a file that was left out, with the reason.
        kind: the layout, e.g. ``msmt17``; ``folder`` for images of no known data set.
        version: which of its versions, protocols or splits this is; empty where there is one.
        notes: what the reader should know of it, e.g. that its counts are not the published ones.
    """

    name: str
    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]
    left_out: list[str]
    kind: str = "folder"
    version: str = ""
    notes: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        """A digest of names, sizes, identities and cameras: the same data give the same one,
        wherever they lie.
        """
        digest = hashlib.sha256(f"{self.kind}/{self.version}".encode())
        for part in (self.train, self.query, self.gallery):
            for s in part:
                line = f"{s.path.name} {s.path.stat().st_size} {s.identity} {s.camera}\n"
                digest.update(line.encode())
            digest.update(b"\n")
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Found:
    """What a layout says there is, before any image was opened.

    Attributes:
        has_cameras: False where the data do not say which camera took an image.
        needs_test: False where query and gallery may be missing.
    """

    folder: Path
    kind: str
    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]
    left_out: list[str]
    version: str = ""
    has_cameras: bool = True
    needs_test: bool = True


def identities(samples: Sequence[Sample]) -> set[int]:
    """The people in the samples; junk and distractors are none."""
    return {sample.identity for sample in samples if sample.identity > 0}


def cameras(samples: Sequence[Sample]) -> set[int]:
    """The cameras of the samples."""
    return {sample.camera for sample in samples}


def tracklets(samples: Sequence[Sample]) -> set[int]:
    """The tracklets of the samples."""
    return {sample.tracklet for sample in samples if sample.tracklet is not None}
