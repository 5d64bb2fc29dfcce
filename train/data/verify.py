"""From what a layout says there is to a data set that can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from train.data.dataset import DataSet, Found, Sample, cameras, identities
from train.data.images import unreadable
from train.data.published import differences
from train.errors import TrainError

Counts = Literal["error", "note", "ignore"]


def verified(found: Found, name: str, counts: Counts = "ignore") -> DataSet:
    """Opens every image, leaves out what cannot be read, and checks that the rest makes sense.

    Args:
        found: what the layout says there is.
        name: of the data set in reports.
        counts: what other counts than the published ones are.

    Raises:
        TrainError: a part is empty, identities occur in train and test, there is only one camera,
            or the counts are not the published ones and ``counts`` is ``error``.
    """
    notes = _compare(found, counts)
    faults = unreadable(sorted({s.path for s in (*found.train, *found.query, *found.gallery)}))
    train, query, gallery = (
        [sample for sample in part if sample.path not in faults]
        for part in (found.train, found.query, found.gallery)
    )
    left_out = [*found.left_out, *faults.values()]
    _check(found, train, query, gallery)
    single = sum(images == 1 for images in Counter(s.identity for s in train).values())
    if single:
        notes.append(
            f"{single} of {len(identities(train))} training identities have a single image: "
            "their pairs in a batch are that image, changed in two ways"
        )
    return DataSet(name, train, query, gallery, left_out, found.kind, found.version, notes)


def _compare(found: Found, counts: Counts) -> list[str]:
    differing = differences(found) if counts != "ignore" else []
    if not differing:
        return []
    text = f"{found.folder}: not the published {found.kind}: {'; '.join(differing)}"
    if counts == "error":
        raise TrainError(f"{text}; complete it, or add ,unchecked to use it as it is")
    return [text]


def _check(
    found: Found, train: Sequence[Sample], query: Sequence[Sample], gallery: Sequence[Sample]
) -> None:
    parts = {"train": train, "query": query, "gallery": gallery}
    needed = parts if found.needs_test or query or gallery else {"train": train}
    for part, samples in needed.items():
        if not samples:
            raise TrainError(f"{found.folder}: {part}: no usable image")
    shared = sorted(identities([*query, *gallery]) & identities(train))
    if shared:
        raise TrainError(
            f"{found.folder}: {len(shared)} identities are in both train and test "
            f"(for example {shared[0]}); the measured quality would be worthless"
        )
    for what, samples in (("train", train), ("test", [*query, *gallery])):
        if found.has_cameras and len(cameras(samples)) == 1:
            raise TrainError(
                f"{found.folder}: all {what} images are of camera {samples[0].camera}; "
                "re-identification across cameras needs at least two"
            )
