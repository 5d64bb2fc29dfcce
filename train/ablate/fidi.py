"""Yan et al., "Beyond Triplet Loss" (2022): table I, table II's losses, figures 6, 7 and 9."""

from __future__ import annotations

from collections.abc import Iterator

from train.ablate.rows import Study, Trained, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.evaluation import embed_data, error_counts

_PAPER = "Published: Yan et al., Beyond Triplet Loss (2022), "
_MARKET, _DUKE, _CUHK03 = "Market-1501", "DukeMTMC-reID", "CUHK03"
_BTL, _BCL, _FIDI = "batch-hard triplet", "batch-hard contrastive", "FIDI"
_LOSSES = {_BCL: "contrastive", _BTL: "triplet", _FIDI: "fidi"}
_SWEEPS = {"alpha": (1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0), "beta": (0.1, 0.25, 0.5, 1.0, 2.0)}
_SHARES = (1.0, 0.75, 0.5, 0.25)

# Table II, Baseline2: Rank-1 / mAP on Market-1501, DukeMTMC-reID, CUHK03 detected and labelled.
_RATES = {
    _BCL: ("92.3 / 84.0", "83.6 / 74.5", "63.3 / 60.5", "66.4 / 64.9"),
    _BTL: ("94.5 / 85.9", "86.4 / 76.4", "60.5 / 58.2", "62.1 / 60.2"),
    _FIDI: ("94.5 / 86.8", "88.1 / 77.5", "72.1 / 69.1", "75.0 / 73.2"),
}
_SETS = (_MARKET, _DUKE, "CUHK03 detected", "CUHK03 labelled")
# Table I: Error-I / Error-II on CUHK03, Market-1501 and DukeMTMC-reID.
_ERRORS = {
    "training": {
        _BCL: ("0.008 / 0.010", "1.977 / 0.397", "6.360 / 4.420"),
        _BTL: ("0.005 / 0.008", "1.905 / 0.295", "3.310 / 3.655"),
        _FIDI: ("0.252 / 0.023", "2.072 / 0.261", "3.721 / 1.807"),
    },
    "testing": {
        _BCL: ("85.06 / 6.600", "276.3 / 19.18", "925.7 / 20.89"),
        _BTL: ("95.11 / 6.611", "261.5 / 18.36", "910.6 / 20.61"),
        _FIDI: ("45.02 / 6.310", "229.1 / 16.50", "819.3 / 19.54"),
    },
}


def fidi_tables(study: Study) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row."""
    curve = f"{_PAPER}figure 9, a curve without figures: "
    plans = [
        Plan(
            "Metric losses",
            f"{_PAPER}table II, Baseline2: Rank-1 / mAP in per cent.",
            _losses(study),
        ),
        Plan(
            "Errors of fidelity",
            f"{_PAPER}table I: Error-I / Error-II, means over all images. Error-I counts the "
            "images of others nearer than the farthest own one, Error-II the own ones farther "
            "than the nearest of others; both grow with the data set.",
            _errors(study),
        ),
        Plan("Alpha", f"beta = 0.5. {curve}flat unless alpha is large.", _sweep(study, "alpha")),
        Plan(
            "Beta",
            f"alpha = 1.05. {curve}a large beta helps on CUHK03, a small one on Market-1501 and "
            "DukeMTMC-reID.",
            _sweep(study, "beta"),
        ),
        Plan(
            "Shares of the training identities",
            f"{_PAPER}figures 6 and 7, curves without figures: FIDI ahead at every share.",
            _shares(study),
        ),
    ]
    return growing(plans)


def _training(loss: str, *changes: str, share: float = 1.0) -> Training:
    return Training("baseline", (f"metric_loss.name={loss}", *changes), share)


def _losses(study: Study) -> Iterator[Row]:
    for name, loss in _LOSSES.items():
        published = dict(zip(_SETS, _RATES[name], strict=True))
        yield Row(name, trained(study, _training(loss)).rates, published)


def _errors(study: Study) -> Iterator[Row]:
    for part in _ERRORS:
        for name, loss in _LOSSES.items():
            figures = _counted(trained(study, _training(loss)), part)
            published = dict(zip((_CUHK03, _MARKET, _DUKE), _ERRORS[part][name], strict=True))
            yield Row(f"{part} data, {name}", figures, published)


def _counted(training: Trained, part: str) -> dict[str, float | None]:
    data = training.data
    samples = data.train if part == "training" else [*data.query, *data.gallery]
    people = [sample for sample in samples if sample.identity > 0]
    first, second = error_counts(embed_data(training.encoder(), people))
    return {"Error-I": first, "Error-II": second}


def _sweep(study: Study, name: str) -> Iterator[Row]:
    for value in _SWEEPS[name]:
        run = trained(study, _training("fidi", f"metric_loss.{name}={value}"))
        yield Row(f"{name} = {value:g}", run.rates)


def _shares(study: Study) -> Iterator[Row]:
    for share in _SHARES:
        measured: dict[str, float | None] = {}
        for name in (_BTL, _FIDI):
            run = trained(study, _training(_LOSSES[name], share=share))
            measured |= {f"{key}, {name}": value for key, value in run.rates.items()}
        yield Row(f"{share:.0%} of the identities", measured)
