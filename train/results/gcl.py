"""GCL beside the encoder that it begins with, and beside that encoder's own method for as long."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from train.ablate.rows import Study, Trained, Training, trained
from train.data import DataSet, open_data
from train.results.page import closing, minutes, opening, spread, table
from train.results.unsupervised import BEGINNING, SOURCE
from train.run import ENCODER
from train.structure.write import exact_poses, write_structure

_SIZE = (128, 64)  # of the structure maps, pixels
_AFTER = ("epochs=8", "milestones=[4]", "steps=100")
_WARM, _GCL = "ICE", "ICE, then GCL"
TRAININGS = {
    _WARM: Training("ice", ("epochs=8", "warmup_epochs=1")),
    "ICE for twice as long": Training("ice", ("epochs=16", "warmup_epochs=1")),
    "ICE, then contrast alone": Training("gcl", ("generate=false", *_AFTER)),
    _GCL: Training("gcl", ("generator_epochs=10", *_AFTER)),
}


def gcl(data: DataSet, out: Path, seeds: Sequence[int], command: str) -> str:
    """The part of the page, after every training that is not done yet.

    Args:
        data, out, seeds, command: as of `train.results.supervised.supervised`; the data are
            simulated, whose structure maps are exact.
    """
    source, maps = open_data(SOURCE), _maps(data, out)
    runs: dict[str, list[Trained]] = {name: [] for name in TRAININGS}
    for seed in seeds:
        begun = trained(Study(source, out, "default", (), seed, command), BEGINNING)
        study = Study(data, out, "default", (), seed, command)
        warm = begun
        for name, training in TRAININGS.items():
            own = [f"weights={begun.folder / ENCODER}"]
            if training.method == "gcl":
                own = [f"warm_up={warm.folder / ENCODER}"]
            if name == _GCL:
                own.append(f"structure={maps}")
            run = trained(study, replace(training, changes=(*training.changes, *own)))
            runs[name].append(run)
            warm = run if name == _WARM else warm
    first = runs[_WARM][0].record
    starts = f"ICE goes on from a baseline that learnt from {SOURCE}; GCL goes on from that ICE."
    return f"""{opening("GCL", first, data, seeds, starts)}\
Epochs are of the encoder; that of ICE comes before those behind it, and GCL's minutes are without \
its generator's warm-up.

{table(["", "Rank-1", "mAP", "epochs", "minutes"], _rows(runs))}

{closing(command, first, {"source encoder": BEGINNING, **TRAININGS})}"""


def _maps(data: DataSet, out: Path) -> Path:
    folder = out / f"maps-{data.fingerprint()[:8]}"
    if not folder.is_dir():
        print(f"{folder}: drawing {len(data.train)} people", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_structure(exact_poses(data.train), folder, _SIZE, lambda more: None)
    return folder


def _rows(runs: Mapping[str, Sequence[Trained]]) -> list[list[str]]:
    rows = []
    for name, own in runs.items():
        measured = [run.record["metrics"] for run in own]
        rates = [spread([figures[key] for figures in measured]) for key in ("rank1", "map")]
        span = minutes([run.record["seconds"]["training"] for run in own])
        rows.append([name, *rates, str(len(own[0].record["epochs"])), span])
    return rows
