"""From a site's store to a folder of labelled crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Site
from pipeline.crops.folder import GALLERY, QUERY, TRAIN, Writer, whole_folder
from pipeline.crops.selection import Labelled, Labels, Selection, held_out, label, queries
from pipeline.errors import CamtrailError
from pipeline.exports import note_export
from pipeline.keyring import Keyring
from pipeline.output import plain
from pipeline.store import Store, StoredCrop


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the folder holds."""

    images: int
    identities: int
    tracklets: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What was exported, and what was not.

    ``labels`` counts crops by where their label comes from, ``unlabelled`` those that have none of
    the kind asked for, ``unwanted`` those that camera, time or quality left out, ``missing`` those
    whose file is gone, ``blurred`` those in which whole persons are hidden. A query is counted in
    its gallery too.
    """

    out: Path
    site: str
    parts: dict[str, Part]
    cameras: dict[str, int]
    labels: dict[str, int]
    encoders: list[str]
    unlabelled: int
    unwanted: int
    missing: int
    blurred: int


def export(site: Site, out: Path, selection: Selection) -> Summary:
    """Writes the crops that ``selection`` asks for into the new folder ``out``.

    Raises:
        CamtrailError: there is no store, nothing in it fits, or ``out`` cannot be written.
    """
    for camera in selection.cameras:
        site.camera(camera)
    with Store.open(site.store_url, read_only=True, crops=site.crops_dir) as store:
        crops, counts = _select(store.pictures(), selection)
        if not crops:
            raise CamtrailError(_nothing(selection, counts))
        with whole_folder(out) as folder:
            note_export(site, "crops export", out)
            return _write(site, out, folder, selection, crops, counts)


def _select(
    crops: Iterable[StoredCrop], selection: Selection
) -> tuple[list[Labelled], Counter[str]]:
    counts: Counter[str] = Counter()
    chosen = []
    for crop in crops:
        counts["all"] += 1
        labelled = label(crop, selection.labels)
        if not selection.takes(crop):
            counts["unwanted"] += 1
        elif labelled is None:
            counts["unlabelled"] += 1
        else:
            chosen.append(labelled)
    return chosen, counts


def _write(
    site: Site,
    out: Path,
    folder: Path,
    selection: Selection,
    crops: Sequence[Labelled],
    counts: Counter[str],
) -> Summary:
    test = held_out(crops, selection.test, site.site)
    parts = {TRAIN: [c for c in crops if c.identity not in test]}
    if test:
        parts[GALLERY] = [c for c in crops if c.identity in test]
        parts[QUERY] = queries(parts[GALLERY])
    cameras = _camera_numbers(site, crops)
    total, keyring = sum(map(len, parts.values())), Keyring.of(site.encryption)
    writer = Writer(folder, cameras, _run_numbers(crops), total, keyring)
    written = {part: writer.add(part, chosen) for part, chosen in parts.items()}
    if not written[TRAIN] and writer.blurred:
        raise CamtrailError(
            f"in {writer.blurred} crops whole persons are hidden (privacy.blur), and nothing can "
            "be learned from them"
        )
    if not written[TRAIN]:
        raise CamtrailError(
            f"none of the {counts['all']} crops is left below {site.crops_dir}; was it moved?"
        )
    everybody = [c for part, own in written.items() if part != QUERY for c in own]
    summary = Summary(
        out=out,
        site=site.site,
        parts={part: _part(own) for part, own in written.items()},
        cameras=cameras,
        labels=dict(Counter(c.source.value for c in everybody)),
        encoders=sorted({c.crop.fingerprint for c in everybody}),
        unlabelled=counts["unlabelled"],
        unwanted=counts["unwanted"],
        missing=writer.missing,
        blurred=writer.blurred,
    )
    said = {key: value for key, value in plain(summary).items() if key not in ("out", "labels")}
    asked = plain(selection)
    labels = {"labels": asked.pop("labels"), "labelled_by": summary.labels}
    writer.finish(labels | said | {"asked_for": asked})
    return summary


def _part(crops: Sequence[Labelled]) -> Part:
    return Part(len(crops), len({c.identity for c in crops}), len({c.crop.tracklet for c in crops}))


def _camera_numbers(site: Site, crops: Sequence[Labelled]) -> dict[str, int]:
    """Numbers from 1 in the order of the configuration; cameras that it has no more come last."""
    seen = {c.crop.key.camera for c in crops}
    names = [*site.cameras, *sorted(seen - set(site.cameras))]
    return {name: number for number, name in enumerate(names, start=1) if name in seen}


def _run_numbers(crops: Sequence[Labelled]) -> dict[tuple[str, str], int]:
    """Numbers from 1 within each camera, in the order in which the runs began."""
    numbers: dict[tuple[str, str], int] = {}
    last: Counter[str] = Counter()
    for camera, run in sorted({(c.crop.key.camera, c.crop.key.run) for c in crops}):
        last[camera] += 1
        numbers[camera, run] = last[camera]
    return numbers


def _nothing(selection: Selection, counts: Counter[str]) -> str:
    """Why nothing was found, and what to do about it."""
    if not counts["all"]:
        return "the store has no crops yet; `camtrail run` collects them"
    text = f"none of the {counts['all']} crops fits: "
    if counts["unwanted"]:
        text += f"{counts['unwanted']} are of other cameras or times, or of lower quality; "
    text += f"{counts['unlabelled']} have no label of the kind '{selection.labels}'"
    if selection.labels is Labels.CONFIRMED:
        return f"{text}; `camtrail confirm` makes some, or take --labels matched"
    return text
