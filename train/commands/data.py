"""`camtrail-train data`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train.commands.options import Json, print_values

if TYPE_CHECKING:
    from train.data import DataSet, Sample

_NAMES = "crops, market1501, dukemtmc, msmt17, cuhk03, viper, mars, veri776, vehicleid, folder"


def show_data(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder; NAME:FOLDER[,option=value...] for a data set of the published size "
            f"(NAME: {_NAMES}), or of any size with ,unchecked; or simulated[:option=value,...].",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Say what a data set holds, opening each image once.

    camtrail-train data market1501:/data/Market-1501-v15.09.15

    camtrail-train data viper:/data/VIPeR,split=3 --json
    """
    from train.data import open_data

    found = open_data(data)
    values = _values(found)
    if as_json:
        print_values(values | {"left_out": found.left_out, "notes": found.notes}, as_json)
        return
    parts = {part: _line(counts) for part, counts in values.pop("parts").items()}
    print_values(values | parts, as_json)
    for line in (*found.notes, *(f"left out: {line}" for line in found.left_out)):
        typer.echo(line)


def _values(data: DataSet) -> dict[str, Any]:
    parts = {"train": data.train, "query": data.query, "gallery": data.gallery}
    return {
        "name": data.name,
        "kind": data.kind,
        "version": data.version,
        "fingerprint": data.fingerprint(),
        "parts": {part: _counts(samples) for part, samples in parts.items()},
    }


def _counts(samples: Sequence[Sample]) -> dict[str, Any]:
    from train.data.dataset import identities, tracklets

    people = Counter(sample.identity for sample in samples)
    return {
        "images": len(samples),
        "identities": len(identities(samples)),
        "junk": people[-1],
        "distractors": people[0],
        "tracklets": len(tracklets(samples)),
        "cameras": dict(sorted(Counter(sample.camera for sample in samples).items())),
    }


def _line(counts: dict[str, Any]) -> str:
    text = f"{counts['images']:,} images of {counts['identities']:,} identities"
    for what in ("junk", "distractors", "tracklets"):
        if counts[what]:
            text += f", {counts[what]:,} {what}"
    cameras = ", ".join(f"{camera}: {images:,}" for camera, images in counts["cameras"].items())
    return f"{text}; by camera: {cameras}" if cameras else text
