"""The figures of ``RESULTS.md``: three methods on simulated people, over several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from train.ablate.rows import Study, Training, trained
from train.data import DataSet
from train.evaluation import How, evaluate, histogram_features
from train.report import summary

DATA = "simulated"
_COLUMNS = {"Rank-1": "rank1", "mAP": "map", "mINP": "minp"}
_BASELINE = ("epochs=14", "warmup_epochs=1")

TRAININGS = {
    "baseline, triplet": Training("baseline", _BASELINE),
    "baseline, FIDI": Training("baseline", (*_BASELINE, "metric_loss.name=fidi")),
    "SCR": Training("scr", ("height=96", "width=48", "epochs=8", "warmup_epochs=1")),
}


class Line(NamedTuple):
    """One method: its records, one a seed."""

    name: str
    records: list[dict[str, Any]]


def run_all(
    data: DataSet, out: Path, seeds: Sequence[int], changes: Sequence[str], command: str
) -> list[Line]:
    """Every training that is not done yet, the seeds in the outer loop; ``changes`` come last."""
    lines = [Line(name, []) for name in TRAININGS]
    for seed in seeds:
        study = Study(data, out, "default", (), seed, command)
        for line in lines:
            training = TRAININGS[line.name]
            training = replace(training, changes=(*training.changes, *changes))
            line.records.append(trained(study, training).record)
    return lines


def colour_histogram(data: DataSet) -> dict[str, Any]:
    """The figures of colour alone, without learning."""
    ranking = evaluate(
        histogram_features(data.query), histogram_features(data.gallery), "euclidean"
    )
    return summary(ranking, How(metric="euclidean"))


def markdown(lines: Sequence[Line], histogram: dict[str, Any], data: DataSet, command: str) -> str:
    """The whole page."""
    first = lines[0].records[0]
    seeds = [record["seed"] for record in lines[0].records]
    test = len({sample.identity for sample in data.query})
    colours = [f"{100 * histogram[key]:.1f}" for key in _COLUMNS.values()]
    table = [
        _cells(["", *_COLUMNS, "epochs", "minutes"]),
        "|---|" + "---:|" * (len(_COLUMNS) + 2),
        *(_row(line) for line in lines),
        _cells(["colour histogram", *colours, "-", "-"]),
    ]
    return f"""# Results on simulated people

{data.name}: {first["train_images"]} images of {first["train_identities"]} identities to learn \
from; {first["query_images"]} queries and {first["gallery_images"]} gallery images of {test} other \
identities. From random weights. Market-1501's protocol, cosine (the histogram: Euclidean), \
average precision by trapezoid, in per cent: mean and, behind the sign, standard deviation over \
the seeds {", ".join(map(str, seeds))}. The last epoch is what was measured, once. Minutes are of \
training, on {first["device"]} in {first["precision"].replace("no", "fp32")}.

{chr(10).join(table)}

Made by

    {command}

which resumes after a stop. The settings are those of `camtrail-train config baseline` and \
`config scr` with these changes:

{chr(10).join(_settings(line.name) for line in lines)}

Versions: {", ".join(f"{name} {version}" for name, version in first["versions"].items())}.
"""


def _row(line: Line) -> str:
    figures = [_spread([r["metrics"][key] for r in line.records]) for key in _COLUMNS.values()]
    minutes = [record["seconds"]["training"] / 60 for record in line.records]
    span = f"{min(minutes):.1f} to {max(minutes):.1f}"
    return _cells([line.name, *figures, str(len(line.records[0]["epochs"])), span])


def _settings(name: str) -> str:
    training = TRAININGS[name]
    changes = " ".join(f"`--set {change}`" for change in training.changes)
    return f"- {name}: `{training.method}` {changes}"


def _spread(rates: Sequence[float]) -> str:
    deviation = statistics.stdev(rates) if len(rates) > 1 else 0.0
    return f"{100 * statistics.mean(rates):.1f} ± {100 * deviation:.1f}"


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
