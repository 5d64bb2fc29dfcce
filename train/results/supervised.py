"""Baseline with triplets and with FIDI, and SCR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from train.ablate.rows import Study, Training, trained
from train.data import DataSet
from train.evaluation import How, evaluate, histogram_features
from train.report import summary
from train.results.page import closing, minutes, opening, spread, table

_COLUMNS = {"Rank-1": "rank1", "mAP": "map", "mINP": "minp"}
_BASELINE = ("epochs=14", "warmup_epochs=1")

TRAININGS = {
    "baseline, triplet": Training("baseline", _BASELINE),
    "baseline, FIDI": Training("baseline", (*_BASELINE, "metric_loss.name=fidi")),
    "SCR": Training("scr", ("height=96", "width=48", "epochs=8", "warmup_epochs=1")),
}

Records = dict[str, list[dict[str, Any]]]  # by row, one a seed


def supervised(
    data: DataSet, out: Path, seeds: Sequence[int], changes: Sequence[str], command: str
) -> str:
    """The part of the page, after every training that is not done yet.

    Args:
        data: to learn from and to measure on.
        out: folder of the trainings.
        seeds: of them, in the outer loop.
        changes: of the settings of every one; they come last.
        command: noted.
    """
    records: Records = {name: [] for name in TRAININGS}
    for seed in seeds:
        study = Study(data, out, "default", (), seed, command)
        for name, training in TRAININGS.items():
            training = replace(training, changes=(*training.changes, *changes))
            records[name].append(trained(study, training).record)
    ranking = evaluate(
        histogram_features(data.query), histogram_features(data.gallery), "euclidean"
    )
    histogram = summary(ranking, How(metric="euclidean"))
    colours = [f"{100 * histogram[key]:.1f}" for key in _COLUMNS.values()]
    rows = [*(_row(*line) for line in records.items()), ["colour histogram", *colours, "-", "-"]]
    first = next(iter(records.values()))[0]
    return f"""{opening("Supervised methods", first, data, seeds)}\
The histogram, of 8 x 8 x 8 colours in six stripes, is compared by Euclidean distance.

{table(["", *_COLUMNS, "epochs", "minutes"], rows)}

{closing(command, first, TRAININGS)}"""


def _row(name: str, records: Sequence[dict[str, Any]]) -> list[str]:
    figures = [spread([r["metrics"][key] for r in records]) for key in _COLUMNS.values()]
    span = minutes([record["seconds"]["training"] for record in records])
    return [name, *figures, str(len(records[0]["epochs"])), span]
