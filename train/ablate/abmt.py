"""Tables 4.3 to 4.5 of H. Chen, "Towards unsupervised person re-identification" (thesis, 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reid_models import load_encoder
from train.ablate.rows import Study, Trained, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.evaluation import embed_data, evaluate
from train.methods.abmt import AbmtSettings
from train.methods.abmt_source import SOURCE_ENCODER
from train.run import method_settings

_NOTE = "Published: Rank-1 / mAP in per cent, H. Chen's thesis (2022), table {}."
_TASKS = ("Market to Duke", "Duke to Market")
_WHOLE = ("82.0 / 69.1", "92.5 / 78.3")

_SINGLE = "arguments.branches=[[0,average]]"
_OWN_BRANCH = "cross_branch=false"
_CLUSTERS, _IMAGES = 500, 16_522  # of k-means, on DukeMTMC-reID's training images


class _Line(NamedTuple):
    """A row before it is measured."""

    name: str
    changes: tuple[str, ...]
    published: tuple[str, str]


_STRUCTURES = [
    _Line("ABMT", (), _WHOLE),
    _Line(
        "without different pooling",
        ("arguments.branches=[[0,average],[1,average]]",),
        ("79.7 / 65.2", "90.1 / 74.2"),
    ),
    _Line(
        "without the extra bottleneck",
        ("arguments.branches=[[0,average],[0,max]]",),
        ("80.6 / 67.5", "92.4 / 77.6"),
    ),
    _Line(
        "one more branch",
        ("arguments.branches=[[0,average],[1,max],[2,average]]",),
        ("80.7 / 68.1", "90.4 / 76.2"),
    ),
]
_LOSSES = [
    _Line("ABMT", (), _WHOLE),
    _Line("without cross entropy", ("lambda_identity=0",), ("69.6 / 52.5", "79.8 / 57.5")),
    _Line("without soft cross entropy", ("lambda_soft=0",), ("79.8 / 66.7", "92.2 / 77.7")),
    _Line("without soft triplets", ("metric_loss=null",), ("78.5 / 64.7", "91.2 / 75.5")),
]


def abmt_tables(study: Study) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row.

    The study's setting ``source`` names the labelled data to adapt from; without one the rows
    begin without labels, and table 4.3 has no rows of the source alone.
    """
    clusters = (
        " K-means has as many clusters for the number of images as the document's 500 for Duke's."
    )
    plans = [
        Plan("4.3 Components", _NOTE.format("4.3") + clusters, _components(study)),
        Plan("4.4 Structure of the branches", _NOTE.format("4.4"), _measured(study, _STRUCTURES)),
        Plan("4.5 Losses", _NOTE.format("4.5"), _measured(study, _LOSSES)),
    ]
    return growing(plans)


def _components(study: Study) -> Iterator[Row]:
    settings = method_settings("abmt", study.settings, study.changes)
    assert isinstance(settings, AbmtSettings)
    if settings.source is not None:
        yield _source(study, "source alone: one branch", (_SINGLE,), ("46.0 / 29.6", "61.9 / 31.8"))
        yield _source(
            study, "source alone: asymmetric branches", (), ("49.7 / 31.5", "63.2 / 33.2")
        )
    number = max(2, round(_CLUSTERS / _IMAGES * len(study.data.train)))
    means = ("clustering.eps=null", "clustering.rho=null", f"clustering.kmeans={number}")
    lines = [
        _Line("mean teacher, k-means", (_SINGLE, *means), ("74.8 / 59.9", "88.2 / 68.9")),
        _Line("mean teacher, DBSCAN", (_SINGLE,), ("77.3 / 61.9", "88.3 / 69.9")),
        _Line(
            "k-means, asymmetric branches",
            (_OWN_BRANCH, *means),
            ("78.1 / 64.7", "90.5 / 74.8"),
        ),
        _Line("k-means, branches teach each other", means, ("79.9 / 66.4", "91.7 / 76.8")),
        _Line("DBSCAN, asymmetric branches", (_OWN_BRANCH,), ("81.1 / 67.8", "92.0 / 77.3")),
        _Line("ABMT: DBSCAN, branches teach each other", (), _WHOLE),
        _Line(
            "ABMT, another view for the teacher",
            ("other_views=true",),
            ("81.2 / 68.8", "91.7 / 77.6"),
        ),
        _Line("ABMT, dropout", ("dropout=0.5",), ("81.8 / 68.3", "92.0 / 77.9")),
    ]
    yield from _measured(study, lines)


def _source(study: Study, name: str, changes: tuple[str, ...], published: tuple[str, str]) -> Row:
    """What the adaptation begins with, on the target."""
    run = _trained(study, changes)
    encoder = load_encoder(run.folder / SOURCE_ENCODER)
    query, gallery = embed_data(encoder, run.data.query), embed_data(encoder, run.data.gallery)
    ranking = evaluate(query, gallery)
    rates = {"Rank-1": float(ranking.cmc[0]), "mAP": ranking.mean_average_precision}
    return Row(name, rates, dict(zip(_TASKS, published, strict=True)))


def _measured(study: Study, lines: list[_Line]) -> Iterator[Row]:
    for name, changes, published in lines:
        rates = _trained(study, changes).rates
        yield Row(name, rates, dict(zip(_TASKS, published, strict=True)))


def _trained(study: Study, changes: tuple[str, ...]) -> Trained:
    """With a source, rows of the same branches take from the first of them what it has learnt."""
    settings = method_settings("abmt", study.settings, study.changes)
    assert isinstance(settings, AbmtSettings)
    own = tuple(change for change in changes if change.startswith("arguments."))
    if settings.source is None or changes == own:
        return trained(study, Training("abmt", changes))
    first = trained(study, Training("abmt", own))
    return trained(study, Training("abmt", (*changes, f"source_from={first.folder}")))
