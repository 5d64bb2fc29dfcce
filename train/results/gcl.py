"""GCL beside the encoder that it begins with, and beside that encoder's own method for as long."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from train.ablate.rows import Study, Trained, Training, trained
from train.data import DataSet
from train.results.page import closing, minutes, opening, spread, table
from train.results.unsupervised import BEGINNING, SIZE, SOURCE, begin
from train.results.unsupervised import TRAININGS as WITHOUT_LABELS
from train.run import ENCODER
from train.structure.write import exact_poses, write_structure

_MAPS = (64, 32)  # size of the structure maps, pixels
_AFTER = ("workers=0", "epochs=4", "milestones=[2]", "steps=50")
_WARM, _GCL = "ICE", "ICE, then GCL"
TRAININGS = {
    _WARM: WITHOUT_LABELS[_WARM],
    _GCL: Training("gcl", ("generator_epochs=12", *_AFTER)),
    "ICE, then contrast alone": Training("gcl", ("generate=false", *_AFTER)),
    "ICE for longer": Training("ice", (*SIZE, "epochs=10", "warmup_epochs=1")),
}
Runs = dict[str, list[Trained]]  # by row, one a seed, as far as they are done


def gcl(data: DataSet, out: Path, seeds: Sequence[int], command: str) -> Iterator[str]:
    """The part of the page as far as it is filled, again after each training.

    Args:
        data, out, seeds, command: as of `train.results.supervised.supervised`; the data are
            simulated, whose structure maps are exact.
    """
    begun, maps = begin(out, command), _maps(data, out)
    runs: Runs = {}
    for place, seed in enumerate(seeds):
        study = Study(data, out, "default", (), seed, command)
        for name, training in TRAININGS.items():
            own = [f"weights={begun.folder / ENCODER}"]
            if training.method == "gcl":
                own = [f"warm_up={runs[_WARM][place].folder / ENCODER}"]
            if name == _GCL:
                own.append(f"structure={maps}")
            run = trained(study, replace(training, changes=(*training.changes, *own)))
            runs.setdefault(name, []).append(run)
            yield _page(runs, data, seeds, command)


def _page(runs: Runs, data: DataSet, seeds: Sequence[int], command: str) -> str:
    first = runs[_WARM][0].record
    starts = f"ICE goes on from a baseline that learnt from {SOURCE}; GCL goes on from that ICE."
    return f"""{opening("GCL", first, data, seeds, starts)}\
Epochs are of the encoder; that of ICE comes before those behind it, and GCL's minutes are without \
its generator's warm-up. A row of fewer seeds is of those that are done.

{table(["", "seeds", "Rank-1", "mAP", "epochs", "minutes"], _rows(runs))}

{closing(command, first, {"source encoder": BEGINNING, **TRAININGS})}"""


def _maps(data: DataSet, out: Path) -> Path:
    folder = out / f"maps-{data.fingerprint()[:8]}"
    if not folder.is_dir():
        print(f"{folder}: drawing {len(data.train)} people", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_structure(exact_poses(data.train), folder, _MAPS, lambda more: None)
    return folder


def _rows(runs: Mapping[str, Sequence[Trained]]) -> list[list[str]]:
    rows = []
    for name, own in runs.items():
        measured = [run.record["metrics"] for run in own]
        rates = [spread([figures[key] for figures in measured]) for key in ("rank1", "map")]
        span = minutes([run.record["seconds"]["training"] for run in own])
        rows.append([name, str(len(own)), *rates, str(len(own[0].record["epochs"])), span])
    return rows
