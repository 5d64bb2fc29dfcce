"""ICE and ABMT on images without labels, beside what labels give and what they began with."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reid_models import load_encoder
from train.ablate.rows import Study, Trained, Training, trained
from train.data import DataSet, open_data
from train.errors import TrainError
from train.evaluation import embed_data, evaluate
from train.files import write_text
from train.methods.abmt_source import SOURCE_ENCODER
from train.report import summary
from train.results.page import closing, minutes, opening, spread, table
from train.run import ENCODER

# Other people in two other cameras than those of --data, which is to have another seed.
SOURCE = "simulated:seed=9131,train_identities=120,test_identities=2,cameras=2,per_camera=5"
SOURCE_SEED = 0  # of the trainings on it, which all others begin with
# Small, and changed at random by what is quick: most of a training's time is reading and changing.
SIZE = (
    "height=64",
    "width=32",
    "workers=0",
    "augmentation.pad=4",
    "augmentation.rotate=0",
    "augmentation.shift=0",
    "augmentation.zoom=0",
    "augmentation.saturation=0",
    "augmentation.blur=0",
)
BEGINNING = Training("baseline", (*SIZE, "epochs=10", "warmup_epochs=1"))

_SHORT = (*SIZE, "epochs=6", "warmup_epochs=1")
_ABMT = (*_SHORT, "pretraining.epochs=10")
_BASELINE, _AWARE, _ADAPTED = "baseline, with labels", "ICE", "ABMT"
_TRACKED, _FIDI = "ICE, tracklets known", "ABMT, FIDI for soft triplets"
_SOURCELESS = "ABMT, without the source's images"
TRAININGS = {
    _BASELINE: Training("baseline", _SHORT),
    _AWARE: Training("ice", _SHORT),
    _ADAPTED: Training("abmt", _ABMT),
}  # what the aims are about: of every seed before any of the others
MORE = {
    "ICE, cameras unknown": Training("ice", (*_SHORT, "lambda_camera=0")),
    _SOURCELESS: Training("abmt", _SHORT),
    "ICE, with labels": Training("ice", (*_SHORT, "supervised=true")),
    _FIDI: Training("abmt", (*_ABMT, "metric_loss.name=fidi")),
    _TRACKED: Training("ice", (*_SHORT, "clustering.tracklets=true")),
}
_FIGURES = {
    "clusters": ("clusters", 1, 0),
    "in a cluster": ("clustered", 100, 1),
    "purity": ("purity", 100, 1),
    "NMI": ("nmi", 100, 1),
    "pair precision": ("pair_precision", 100, 1),
    "pair recall": ("pair_recall", 100, 1),
}  # column: its name in a record, its scale, and digits
Runs = dict[str, list[Trained]]  # by row, one a seed, as far as they are done


class _Rates(NamedTuple):
    """Of one encoder on the target, in [0, 1]."""

    rank1: float
    map: float


def unsupervised(data: DataSet, out: Path, seeds: Sequence[int], command: str) -> Iterator[str]:
    """The part of the page as far as it is filled, again after each training.

    Args:
        data, out, seeds, command: as of `train.results.supervised.supervised`.
    """
    begun, tracked = begin(out, command), with_tracklets(data)
    runs: Runs = {}
    failed: list[str] = []
    for rows in (TRAININGS, MORE):
        for seed in seeds:
            study = Study(data, out, "default", (), seed, command)
            for name, training in rows.items():
                changes = (*training.changes, *_start(name, training, begun, runs))
                own = replace(study, data=tracked if name == _TRACKED else data)
                try:
                    run = trained(own, replace(training, changes=changes))
                except TrainError as error:  # no clusters, say: the other rows can do without it
                    print(f"{name}, seed {seed}: {error}", file=sys.stderr, flush=True)
                    failed.append(f"- {name}, seed {seed}: {error}")
                else:
                    runs.setdefault(name, []).append(run)
                yield _page(runs, failed, begun, data, seeds, command)


def begin(out: Path, command: str) -> Trained:
    """The encoder of the source that the trainings begin with."""
    return trained(Study(open_data(SOURCE), out, "default", (), SOURCE_SEED, command), BEGINNING)


def with_tracklets(data: DataSet) -> DataSet:
    """The training images of one person in one camera as one tracklet, each at a time of its own:
    what a tracker says that makes no mistakes, of people who are never in view together."""
    numbers: dict[tuple[int, int], int] = {}
    train = [
        sample._replace(
            tracklet=numbers.setdefault((sample.camera, sample.identity), len(numbers)),
            time=float(numbers[sample.camera, sample.identity]),
        )
        for sample in data.train
    ]
    return replace(data, train=train)


def _start(name: str, training: Training, begun: Trained, runs: Runs) -> tuple[str, ...]:
    """Settings that say what a training begins with: the first of ABMT learns from the source."""
    if training.method != "abmt":
        return (f"weights={begun.folder / ENCODER}",)
    if _ADAPTED not in runs:
        return (f"source={SOURCE}",)
    first = runs[_ADAPTED][0].folder
    if name == _SOURCELESS:
        return (f"weights={first / SOURCE_ENCODER}",)
    return (f"source={SOURCE}", f"source_from={first}")


def _page(
    runs: Runs,
    failed: Sequence[str],
    begun: Trained,
    data: DataSet,
    seeds: Sequence[int],
    command: str,
) -> str:
    lost = "\nCould not be done:\n\n" + "\n".join(failed) + "\n" if failed else ""
    first = next(iter(runs.values()))[0].record
    starts = f"From an encoder that learnt from {SOURCE}, other people in other cameras."
    return f"""{opening("Methods without labels", first, data, seeds, starts)}\
The baseline and ICE go on from a baseline of the source; ABMT learns from the source by itself, \
in branches, and without the source's images it goes on from what that gave. Tracklets are those \
of a tracker without mistakes: all images of a person in a camera are known to be of one person. \
The first two rows are what the others of all seeds begin with, on the target. A row of fewer \
seeds is of those that are done.

{table(["", "seeds", "Rank-1", "mAP", "epochs", "minutes"], list(_rows(runs, begun, data)))}
{lost}
{_targets(runs, data)}

Clusters against the {first["train_identities"]} people, of the encoder that an epoch began with, \
in per cent but for their number; means over the seeds.

{table(["", "epoch", *_FIGURES], _qualities(runs))}

{closing(command, first, {"source encoder": BEGINNING, **TRAININGS, **MORE})}"""


def _rows(runs: Runs, begun: Trained, data: DataSet) -> Iterator[list[str]]:
    sources = {"source alone, baseline": _measured(begun, ENCODER, data)}
    if _ADAPTED in runs:
        sources["source alone, ABMT's branches"] = _before(runs, data)
    for name, rates in sources.items():
        yield [name, "1", *(f"{100 * rate:.1f}" for rate in rates), "-", "-"]
    for name, own in runs.items():
        span = minutes([run.record["seconds"]["training"] for run in own])
        found = [_Rates(r.record["metrics"]["rank1"], r.record["metrics"]["map"]) for r in own]
        yield [name, str(len(own)), *_spreads(found), str(len(own[0].record["epochs"])), span]


def _before(runs: Runs, data: DataSet) -> _Rates:
    return _measured(runs[_ADAPTED][0], SOURCE_ENCODER, data)


def _targets(runs: Runs, data: DataSet) -> str:
    """What was to be reached, and what was, over the seeds that both sides have."""
    found = []
    if _AWARE in runs:
        both = list(zip(runs[_AWARE], runs[_BASELINE], strict=False))
        ice, baseline = (statistics.mean(map(_map_of, side)) for side in zip(*both, strict=True))
        found.append(
            f"ICE reaches {ice / baseline:.0%} of the mAP of the baseline with labels (80 % was "
            "the aim)"
        )
    if _ADAPTED in runs:
        gain = statistics.mean(map(_map_of, runs[_ADAPTED])) - _before(runs, data).map
        found.append(f"ABMT adds {100 * gain:+.1f} points of mAP to its source (10 was the aim)")
    return "; ".join(found) + "." if found else ""


def _map_of(run: Trained) -> float:
    return float(run.record["metrics"]["map"])


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


def _qualities(runs: Runs) -> list[list[str]]:
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
