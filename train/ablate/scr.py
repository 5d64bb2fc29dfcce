"""Tables 3.1 to 3.5 of H. Chen, "Towards unsupervised person re-identification" (thesis, 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from train.ablate.rows import Study, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.tracklets import POOLINGS, evaluate_tracklets

_NOTE = "Published: Rank-1 / mAP in per cent, H. Chen's thesis (2022), table {}."
_MARKET, _DUKE = "Market-1501", "DukeMTMC-reID"
_LABELLED, _DETECTED = "CUHK03 labelled", "CUHK03 detected"

_P1, _P2, _P3 = "[[1,1]]", "[[2,2]]", "[[3,3]]"
_P1_P2, _ALL = "[[1,1],[2,2]]", "[[1,1],[2,2],[3,3]]"


class _Line(NamedTuple):
    """A row before it is measured."""

    name: str
    training: Training
    published: dict[str, str]


def _scr(branches: str, *changes: str) -> Training:
    return Training("scr", (f"arguments.branches={branches}", *changes))


_TABLES: dict[str, tuple[str, list[_Line]]] = {
    "3.1": (
        "Attention and partition",
        [
            _Line("ResNet", _scr(_P1), {_MARKET: "89.5 / 73.3"}),
            _Line(
                "ResNet + channel attention (SE)",
                _scr(_P1, "arguments.attention=se"),
                {_MARKET: "90.8 / 75.6"},
            ),
            _Line("ResNet + partition (s2c2)", _scr(_P2), {_MARKET: "94.4 / 85.8"}),
        ],
    ),
    "3.2": (
        "Kinds of partition",
        [
            _Line(
                "spatial: p1+p2(s2)+p3(s3)",
                _scr("[[1,1],[2,1],[3,1]]"),
                {_LABELLED: "75.9 / 72.1", _DETECTED: "75.6 / 71.8"},
            ),
            _Line(
                "channel: p1+p2(c2)+p3(c3)",
                _scr("[[1,1],[1,2],[1,3]]"),
                {_LABELLED: "81.5 / 77.4", _DETECTED: "77.9 / 73.9"},
            ),
            _Line(
                "both: p1+p2(s2c2)+p3(s3c3)",
                _scr(_ALL),
                {_LABELLED: "83.8 / 80.4", _DETECTED: "82.2 / 77.6"},
            ),
        ],
    ),
    "3.3": (
        "Branches",
        [
            _Line(
                name,
                _scr(branches),
                dict(zip((_MARKET, _DUKE, _DETECTED), figures, strict=True)),
            )
            for name, branches, figures in (
                ("p1", _P1, ("89.5 / 73.3", "83.3 / 66.8", "52.4 / 46.3")),
                ("p2(s2c2)", _P2, ("94.4 / 85.8", "89.6 / 77.6", "73.7 / 68.4")),
                ("p3(s3c3)", _P3, ("94.5 / 86.3", "89.2 / 78.7", "75.1 / 70.7")),
                ("p1+p2(s2c2)", _P1_P2, ("94.9 / 87.3", "89.5 / 78.6", "74.8 / 70.2")),
                ("p1+p2(s2c2)+p3(s3c3)", _ALL, ("95.7 / 89.0", "91.1 / 81.4", "82.2 / 77.6")),
            )
        ],
    ),
    "3.4": (
        "Weight of the cross entropies",
        [
            _Line(name, _scr(_ALL, *changes), {_LABELLED: labelled, _DETECTED: detected})
            for name, changes, labelled, detected in (
                ("without the triplet loss", ["metric_loss=null"], "76.9 / 73.5", "75.1 / 70.5"),
                ("lambda = 1", ["lambda=1.0"], "84.8 / 81.4", "79.5 / 75.5"),
                ("lambda = 2", ["lambda=2.0"], "83.8 / 80.4", "82.2 / 77.6"),
                ("lambda = 3", ["lambda=3.0"], "82.2 / 78.8", "80.7 / 76.8"),
            )
        ],
    ),
}

_TEMPORAL = {"TP(R)": "84.5 / 78.9", "TPP(R)": "86.6 / 80.8", "TP(E)": "85.7 / 79.5"}
_TEMPORAL |= {"TPP(E)": "87.3 / 81.3"}


def scr_tables(study: Study) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row.

    The document measures each on one or a few data sets; here all are of the study's data.
    """
    plans = [
        Plan(f"{number} {title}", _NOTE.format(number), _measured(study, lines))
        for number, (title, lines) in _TABLES.items()
    ]
    note = (
        " TP: one average over 15 images of a tracklet; TPP: of each third, side by side; R: drawn "
        "at random; E: evenly. Without named tracklets, all images of a person in a camera are one."
    )
    plans.append(Plan("3.5 Pooling over time", _NOTE.format("3.5") + note, _temporal(study)))
    return growing(plans)


def _measured(study: Study, lines: list[_Line]) -> Iterator[Row]:
    return (Row(line.name, trained(study, line.training).rates, line.published) for line in lines)


def _temporal(study: Study) -> Iterator[Row]:
    encoder = trained(study, _scr(_ALL)).encoder()
    rankings = evaluate_tracklets(encoder, study.data, list(POOLINGS.values()), study.seed)
    for name, ranking in zip(POOLINGS, rankings, strict=True):
        measured = {"Rank-1": float(ranking.cmc[0]), "mAP": ranking.mean_average_precision}
        yield Row(name, measured, {"MARS": _TEMPORAL[name]})
