"""Tables 5.3 to 5.5 and figures 5.4 to 5.7 of A. Shah, "Person Re-identification in Surveillance
Video" (thesis, 2022): DG-Net by other reconstruction losses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from train.ablate.rows import Study, Trained, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.files import write_text
from train.generation.quality import Judge, judge_generator
from train.methods.dgnet_generator import load_generator

_PAPER = "Published: A. Shah's thesis (2022), "
_DUKE = "DukeMTMC-reID, FID / mAP"
_RANKS = {"Rank-1": "rank1", "Rank-5": "rank5", "Rank-10": "rank10", "mAP": "map"}


class _Published(NamedTuple):
    """On Market-1501, as the document prints them; on DukeMTMC-reID where it does."""

    fid: str
    rank1: str
    rank5: str
    rank10: str
    map: str
    duke: str = ""

    def columns(self) -> dict[str, str]:
        names = ("FID", *_RANKS, _DUKE)
        return {name: text for name, text in zip(names, self, strict=True) if text}


_SINGLE = {
    "l1": _Published("19.68", "91.09", "96.73", "97.80", "75.96", "20.84 / 67.33"),
    "huber": _Published("25.17", "90.65", "96.73", "98.01", "75.83"),
    "mse": _Published("21.40", "90.29", "96.88", "98.31", "74.75"),
    "mrae": _Published("21.73", "91.18", "96.91", "98.16", "75.73"),
    "cosine": _Published("37.95", "90.11", "96.35", "97.62", "74.15"),
    "rmse": _Published("19.65", "91.33", "96.79", "98.01", "75.19"),
    "multiplicative": _Published("319.82", "68.35", "84.47", "89.07", "43.77"),
}
_FUSED = {
    "0.4*l1+0.6*cosine": _Published("20.55", "90.32", "96.70", "97.74", "74.81"),
    "l1+mse": _Published("17.99", "92.37", "97.45", "98.56", "78.63", "97.17 / 23.71"),
    "l1+mrae": _Published("18.79", "91.03", "96.82", "97.98", "77.13", "86.40 / 26.34"),
    "l1+rmse": _Published("15.63", "91.42", "97.06", "98.16", "76.87"),
    "l1+cosine": _Published("17.35", "91.45", "96.44", "97.95", "76.92"),
}


def fused_losses_tables(study: Study, judge: Judge) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row.

    A loss is used for images and for codes, as in the document. The figures' counterparts are in
    ``STUDY/grids``: for each loss a sheet of appearances x structures.
    """
    note = f"Rows differ in their reconstruction loss alone. {_PAPER}"
    return growing(
        [
            Plan(title, f"{note}{source}.", _rows(study, judge, losses))
            for title, source, losses in (
                ("Single losses", "tables 5.3 and 5.5", _SINGLE),
                ("Sums of losses", "tables 5.4 and 5.5", _FUSED),
            )
        ]
    )


def _rows(study: Study, judge: Judge, losses: dict[str, _Published]) -> Iterator[Row]:
    for loss, published in losses.items():
        changes = (f"image_reconstruction={loss}", f"code_reconstruction={loss}")
        run = trained(study, Training("dgnet", changes, keeps_checkpoint=True))
        rates = {name: run.record["metrics"][key] for name, key in _RANKS.items()}
        distance = _distance(study, run, judge)
        _show(run, study.out / "grids", loss)
        yield Row(loss, {judge.name: distance, **rates}, published.columns())


def _distance(study: Study, run: Trained, judge: Judge) -> float:
    """Measured once by each judge."""
    file = run.folder / "distances.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if judge.name not in found:
        generator, spec = load_generator(run.folder)
        found[judge.name] = judge_generator(generator, spec, run.data.train, judge, study.seed)
        write_text(file, json.dumps(found) + "\n")
    return float(found[judge.name])


def _show(run: Trained, folder: Path, loss: str) -> None:
    """Put the last sheet of the training beside those of the other losses."""
    sheets = sorted((run.folder / "pictures").glob("epoch_*_grid.png"))
    if sheets:
        folder.mkdir(exist_ok=True)
        number = [*_SINGLE, *_FUSED].index(loss) + 1
        shutil.copyfile(sheets[-1], folder / f"{number:02}_{loss.replace('*', 'x')}.png")
