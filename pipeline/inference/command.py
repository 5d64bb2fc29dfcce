"""The command `camtrail detector export`."""

from __future__ import annotations

from pathlib import Path

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.digest import sha256, verify
from pipeline.inference.export import FORMATS, export
from pipeline.inference.weights import find_weights
from pipeline.output import print_json


def run_export(
    site: config.Site, kind: str, out: Path | None, beside: Path, *, as_json: bool
) -> None:
    """Exports the site's detector and says how it is used.

    Args:
        kind: one of `FORMATS`.
        out: the file to write, or the folder for OpenVINO; None: named after the weights.
        beside: the folder for that case.

    Raises:
        CamtrailError: no such format, another ending, or the detector cannot be exported.
    """
    if kind not in FORMATS:
        raise CamtrailError(f"--format {kind}: not one of {', '.join(FORMATS)}")
    options, ending = site.detector, FORMATS[kind].ending
    weights = find_weights(options.weights)
    verify(weights, options.sha256, "detector")
    target = out or beside / f"{weights.stem}{ending}"
    if not target.name.endswith(ending):
        raise CamtrailError(f"{target}: what is exported as {kind} ends in {ending}")
    export(weights, kind, target, options.image_size, options.half)
    digest = sha256(target)
    if as_json:
        print_json({"format": kind, "weights": str(target), "sha256": digest})
    else:
        print(f"{target}\n\nIn site.yaml:\ndetector:\n  weights: {target}\n  sha256: {digest}")
