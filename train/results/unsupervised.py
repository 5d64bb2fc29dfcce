"""ICE and ABMT on images without labels, beside what labels give and what they began with."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reid_models import load_encoder
from train.ablate.rows import Study, Trained, Training, trained
from train.data import DataSet, open_data
from train.evaluation import embed_data, evaluate
from train.files import write_text
from train.methods.abmt_source import SOURCE_ENCODER
from train.report import summary
from train.results.page import closing, minutes, opening, spread, table
from train.run import ENCODER

# Other people and other cameras than those of --data, whose default has another seed.
SOURCE = "simulated:seed=9131,train_identities=300,test_identities=40,cameras=8,per_camera=3"
BEGINNING = Training("baseline", ("epochs=8", "warmup_epochs=1"))

_SHORT = ("epochs=8", "warmup_epochs=1")
_ABMT = (*_SHORT, "steps=100", "pretraining.epochs=6")
_BASELINE, _AWARE, _ADAPTED = "baseline, with labels", "ICE", "ABMT"
TRAININGS = {
    _BASELINE: Training("baseline", _SHORT),
    _AWARE: Training("ice", _SHORT),
    "ICE, cameras unknown": Training("ice", (*_SHORT, "lambda_camera=0")),
    "ICE, with labels": Training("ice", (*_SHORT, "supervised=true")),
    _ADAPTED: Training("abmt", _ABMT),
    "ABMT, FIDI for soft triplets": Training("abmt", (*_ABMT, "metric_loss.name=fidi")),
}
_FIGURES = {
    "clusters": ("clusters", 1, 0),
    "in a cluster": ("clustered", 100, 1),
    "purity": ("purity", 100, 1),
    "NMI": ("nmi", 100, 1),
    "pair precision": ("pair_precision", 100, 1),
    "pair recall": ("pair_recall", 100, 1),
}  # column: its name in a record, its scale, and digits


class _Rates(NamedTuple):
    """Of one encoder on the target, in [0, 1]."""

    rank1: float
    map: float


def unsupervised(data: DataSet, out: Path, seeds: Sequence[int], command: str) -> str:
    """The part of the page, after every training that is not done yet.

    Args:
        data, out, seeds, command: as of `train.results.supervised.supervised`.
    """
    source = open_data(SOURCE)
    begun: list[Trained] = []
    runs: dict[str, list[Trained]] = {name: [] for name in TRAININGS}
    for seed in seeds:
        begun.append(trained(Study(source, out, "default", (), seed, command), BEGINNING))
        study = Study(data, out, "default", (), seed, command)
        for name, training in TRAININGS.items():
            own = f"weights={begun[-1].folder / ENCODER}"
            if training.method == "abmt":
                own = f"source={SOURCE}"
            changes = (*training.changes, own)
            runs[name].append(trained(study, replace(training, changes=changes)))
    first = runs[_BASELINE][0].record
    starts = f"From an encoder that learnt from {SOURCE}, other people in other cameras."
    return f"""{opening("Methods without labels", first, data, seeds, starts)}\
The baseline and ICE go on from a baseline of the source; ABMT learns from the source by itself, \
in branches. The first two rows are what they begin with, on the target.

{table(["", "Rank-1", "mAP", "epochs", "minutes"], list(_rows(runs, begun, data)))}

{_targets(runs, data)}

Clusters against the {first["train_identities"]} people, of the encoder that an epoch began with, \
in per cent but for their number; means over the seeds.

{table(["", "epoch", *_FIGURES], _qualities(runs))}

{closing(command, first, {"source encoder": BEGINNING, **TRAININGS})}"""


def _rows(
    runs: dict[str, list[Trained]], begun: Sequence[Trained], data: DataSet
) -> list[list[str]]:
    sources = {
        "source alone, baseline": [_measured(run, ENCODER, data) for run in begun],
        "source alone, ABMT's branches": _before(runs, data),
    }
    rows = [[name, *_spreads(rates), "-", "-"] for name, rates in sources.items()]
    for name, own in runs.items():
        span = minutes([run.record["seconds"]["training"] for run in own])
        rates = [_Rates(r.record["metrics"]["rank1"], r.record["metrics"]["map"]) for r in own]
        rows.append([name, *_spreads(rates), str(len(own[0].record["epochs"])), span])
    return rows


def _before(runs: dict[str, list[Trained]], data: DataSet) -> list[_Rates]:
    return [_measured(run, SOURCE_ENCODER, data) for run in runs[_ADAPTED]]


def _targets(runs: dict[str, list[Trained]], data: DataSet) -> str:
    """What was to be reached, and what was."""
    means = {
        name: statistics.mean(run.record["metrics"]["map"] for run in own)
        for name, own in runs.items()
    }
    share = means[_AWARE] / means[_BASELINE]
    gain = means[_ADAPTED] - statistics.mean(rates.map for rates in _before(runs, data))
    return (
        f"ICE reaches {share:.0%} of the mAP of the baseline with labels (80 % was the aim); ABMT "
        f"adds {100 * gain:+.1f} points of mAP to its source (10 was the aim)."
    )


def _spreads(rates: Sequence[_Rates]) -> list[str]:
    return [spread([r.rank1 for r in rates]), spread([r.map for r in rates])]


def _measured(run: Trained, encoder: str | Path, data: DataSet) -> _Rates:
    """Of an encoder in the folder of a training, on the target; measured once."""
    digest = data.fingerprint()[:8]
    file = (run.folder / encoder).with_name(f"on-{digest}.json")
    if not file.is_file():
        made = load_encoder(run.folder / encoder)
        found = summary(evaluate(embed_data(made, data.query), embed_data(made, data.gallery)))
        write_text(file, json.dumps(found) + "\n")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return _Rates(content["rank1"], content["map"])


def _qualities(runs: dict[str, list[Trained]]) -> list[list[str]]:
    """A row for each method and epoch."""
    rows = []
    for name, own in runs.items():
        if "clusters" not in own[0].record["epochs"][0]["losses"]:
            continue
        for epoch in range(len(own[0].record["epochs"])):
            losses = [run.record["epochs"][epoch]["losses"] for run in own]
            figures = [
                f"{scale * statistics.mean(found[key] for found in losses):.{digits}f}"
                for key, scale, digits in _FIGURES.values()
            ]
            rows.append([name, str(epoch + 1), *figures])
    return rows
