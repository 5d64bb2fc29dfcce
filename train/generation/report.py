"""A run that generates images as one HTML page: its losses over the epochs, and its last sheets."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from train.evaluation.charts import Chart, epochs_chart
from train.evaluation.html import write_html

REPORT = "report.html"

# Two curves at most share an axis: those of the first table that a run has.
_CURVES = {
    "Reconstruction of images": ("image",),
    "Reconstruction of codes": ("appearance", "structure"),
    "Who is who, of real and of generated images": ("identity", "generated_identity"),
    "Cross entropy of real images, and of generated ones with their labels": (
        "identity",
        "generated",
    ),
    "What the generator and the discriminator lose to each other": (
        "adversarial",
        "discriminator",
    ),
    "What generated images teach: primary and fine-grained features": ("primary", "fine"),
}
_TEXTS = {
    "grid": "Each row wears the clothes of the image at its left, in the pose of the image on top.",
    "reconstruction": "An image, itself from its own codes, another image of the same person, and "
    "the first in the clothes as that one shows them.",
    "swap": "Two people, the first in the second's pose, and the second in the first's.",
    "appearance_steps": "From one person's appearance to the next one's, the pose kept.",
    "structure_steps": "From one person's pose to the next one's, the clothes kept.",
    "samples": "Images from noise; the same noise in each epoch.",
}


class Sheet(NamedTuple):
    """A picture as a ``data:`` URI, and what it shows."""

    title: str
    text: str
    source: str


def write_page(run: Path, record: Mapping[str, Any]) -> None:
    """Write ``run/report.html``; it appears whole or not at all.

    Args:
        run: folder of a run of dgnet or slsr, with its pictures.
        record: as in its ``run.json``.

    Raises:
        TrainError: the page cannot be written.
    """
    clusters = _clusters(run / "steps")
    write_html(
        run / REPORT,
        "generation.html.j2",
        figures={
            "data": record["data"],
            "method": record["method"],
            "images": record["train_images"],
            "people": record["train_identities"],
            **{name: record["metrics"][name] for name in ("rank1", "map") if record["metrics"]},
        },
        charts=charts(record["epochs"]),
        sheets=[sheet for folder in _folders(run) for sheet in _last_sheets(folder, run)],
        clusters=clusters,
    )


def charts(epochs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Curves of the losses that the epochs have."""
    kept = [epoch["losses"] for epoch in epochs]
    found = []
    for title, names in _CURVES.items():
        curves = {name: [float(losses.get(name, 0.0)) for losses in kept] for name in names}
        if all(any(name in losses for losses in kept) for name in names):
            found.append(epochs_chart(title, curves, shares=False))
    return found


def _folders(run: Path) -> list[Path]:
    """Where a run has pictures: of DG-Net its own, of SLSR those of its DCGANs."""
    of_clusters = sorted((run / "steps").glob("dcgan-*"), key=lambda p: int(p.name.split("-")[1]))
    return [folder / "pictures" for folder in (run, *of_clusters)]


def _last_sheets(folder: Path, run: Path) -> list[Sheet]:
    last: dict[str, Path] = {}
    for path in sorted(folder.glob("epoch_*.png")):  # later epochs replace earlier ones
        last[path.stem.split("_", 2)[2]] = path
    place = folder.parent.name + ", " if folder.parent != run else ""
    return [
        Sheet(
            f"{place}{name.replace('_', ' ')}, epoch {int(path.stem.split('_')[1])}",
            _TEXTS.get(name, ""),
            "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii"),
        )
        for name, path in sorted(last.items(), key=lambda item: _place(item[0]))
    ]


def _place(name: str) -> int:
    return [*_TEXTS, name].index(name)


def _clusters(steps: Path) -> dict[str, Any] | None:
    """Silhouettes and figures of SLSR's clusters, where the run has made any."""
    if not (steps / "quality.json").is_file():
        return None
    found = json.loads((steps / "clusters.json").read_text(encoding="utf-8"))
    rows = json.loads((steps / "quality.json").read_text(encoding="utf-8"))
    return {"silhouettes": found["silhouettes"], "rows": rows}
