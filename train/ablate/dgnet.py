"""Tables 3 and 9 and figures 4 and 8 of Zheng et al., "Joint Discriminative and Generative
Learning for Person Re-identification" (2019)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reid_models import Encoder, load_encoder
from train.ablate.rows import Study, Trained, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.data import DataSet
from train.errors import TrainError
from train.evaluation import Features, embed_data, evaluate
from train.methods.dgnet_features import DGNetSettings
from train.run import method_settings

_PAPER = "Published: Zheng et al., DG-Net (2019), "
_SETS = ("Market-1501", "DukeMTMC-reID", "MSMT17")
_BASELINE = ("89.6 / 74.5", "82.0 / 65.3", "68.8 / 36.2")
_PRIMARY = ("94.0 / 84.4", "85.6 / 72.7", "76.0 / 49.7")
_FINE = ("91.6 / 75.3", "78.7 / 61.2", "71.5 / 43.5")
_BOTH = ("94.8 / 86.0", "86.6 / 74.8", "77.2 / 52.3")
_ALPHAS = (0.0, 0.1, 0.2, 0.5, 1.0)
_BETAS = (0.0, 0.25, 0.5, 1.0, 2.0)
_WITHOUT = {
    "the whole method": (),
    "without online feeding": ("lambda_primary=0", "alpha=0"),
    "nor identity supervision": (
        "lambda_primary=0",
        "alpha=0",
        "lambda_identity=0",
        "lambda_generated_identity=0",
    ),
}
_TRANSFERS = {
    "Market to Duke": "42.62 / 24.25",
    "Duke to Market": "56.12 / 26.83",
    "Market to MSMT": "17.11 / 5.41",
    "MSMT to Market": "61.76 / 33.62",
    "Duke to MSMT": "20.59 / 6.35",
    "MSMT to Duke": "61.89 / 40.69",
}


def dgnet_tables(study: Study, others: Sequence[DataSet]) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row.

    Figure 4's counterpart is in ``STUDY/grids``: a sheet of appearances x structures a row.

    Args:
        study: its changes name the teacher.
        others: data sets that the encoder is measured on as it is.

    Raises:
        TrainError: there is no teacher.
    """
    plans = [
        Plan("Features", f"{_PAPER}table 3: Rank-1 / mAP in per cent.", _features(study)),
        Plan(
            "Without parts of the method",
            f"{_PAPER}figure 4, pictures without figures; here they are in the folder grids.",
            _without(study),
        ),
        Plan("Alpha", f"{_PAPER}figure 8, a curve without figures: 0.2 is best.", _alphas(study)),
        Plan("Beta", f"{_PAPER}figure 8, a curve without figures: 0.5 is best.", _betas(study)),
    ]
    if others:
        note = f"{_PAPER}table 9: Rank-1 / mAP in per cent, {_listed(_TRANSFERS)}."
        plans.append(Plan("Direct transfer", note, _transfers(study, others)))
    return growing(plans)


class _Halves(NamedTuple):
    """Query and gallery, whose embeddings are both features side by side, each of length 1."""

    query: Features
    gallery: Features

    def rates(self, primary: float, fine: float) -> dict[str, float | None]:
        """Rank-1 and mAP with these weights."""
        length = self.query.embeddings.shape[1] // 2
        weights = np.repeat([primary, fine], length).astype(np.float32)
        query, gallery = (
            replace(part, embeddings=part.embeddings * weights)
            for part in (self.query, self.gallery)
        )
        return _rates(query, gallery)


def _features(study: Study) -> Iterator[Row]:
    published = [dict(zip(_SETS, row, strict=True)) for row in (_PRIMARY, _FINE, _BOTH)]
    teacher = load_encoder(_teacher(study))
    baseline = dict(zip(_SETS, _BASELINE, strict=True))
    run = trained(study, Training("dgnet"))
    yield Row("Baseline (the teacher)", _measured(teacher, study.data), baseline)
    halves = _halves(run)
    yield Row("primary", halves.rates(1, 0), published[0])
    yield Row("fine-grained", halves.rates(0, 1), published[1])
    yield Row("both", run.rates, published[2])
    apart = trained(
        study, Training("dgnet", _WITHOUT["without online feeding"], keeps_checkpoint=True)
    )
    offline = ("feed_from=0", f"generated_by={apart.folder}")
    rates = trained(study, Training("dgnet", offline)).rates
    yield Row("both, images generated offline", rates, {"Market-1501": "mAP 84.4"})


def _without(study: Study) -> Iterator[Row]:
    for number, (name, changes) in enumerate(_WITHOUT.items(), start=1):
        run = trained(study, Training("dgnet", changes))
        _show(run, study.out / "grids", f"{number}_{name.replace(' ', '_')}")
        yield Row(name, run.rates)


def _alphas(study: Study) -> Iterator[Row]:
    for alpha in _ALPHAS:
        run = trained(study, Training("dgnet", (f"alpha={alpha}",)))
        yield Row(f"alpha = {alpha:g}", run.rates)


def _betas(study: Study) -> Iterator[Row]:
    halves = _halves(trained(study, Training("dgnet")))
    for beta in _BETAS:
        yield Row(f"beta = {beta:g}", halves.rates(1, beta))


def _transfers(study: Study, others: Sequence[DataSet]) -> Iterator[Row]:
    encoder = trained(study, Training("dgnet")).encoder()
    for data in others:
        yield Row(f"{study.data.name} to {data.name}", _measured(encoder, data))


def _teacher(study: Study) -> Path:
    settings = method_settings("dgnet", study.settings, study.changes)
    assert isinstance(settings, DGNetSettings)
    if settings.teacher is None:
        raise TrainError(
            "the study needs a teacher: train it with camtrail-train baseline on the same data, "
            "and --set teacher=RUN/encoder.safetensors"
        )
    if settings.arguments.get("beta", 0.5) == 0:
        raise TrainError("arguments.beta=0 leaves no fine-grained feature to study")
    return Path(settings.teacher)


def _halves(run: Trained) -> _Halves:
    encoder = run.encoder()
    return _Halves(*(_parted(embed_data(encoder, p)) for p in (run.data.query, run.data.gallery)))


def _parted(features: Features) -> Features:
    halves = np.split(features.embeddings, 2, axis=1)
    unit = [half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves]
    return replace(features, embeddings=np.concatenate(unit, axis=1))


def _measured(encoder: Encoder, data: DataSet) -> dict[str, float | None]:
    return _rates(embed_data(encoder, data.query), embed_data(encoder, data.gallery))


def _rates(query: Features, gallery: Features) -> dict[str, float | None]:
    ranking = evaluate(query, gallery)
    return {"Rank-1": float(ranking.cmc[0]), "mAP": ranking.mean_average_precision}


def _listed(figures: dict[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in figures.items())


def _show(run: Trained, folder: Path, name: str) -> None:
    """Put the last sheet of the training beside those of the other rows."""
    sheets = sorted((run.folder / "pictures").glob("epoch_*_grid.png"))
    if sheets:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(sheets[-1], folder / f"{name}.png")
