"""Tables 6.2 to 6.6 of H. Chen, "Towards unsupervised person re-identification" (thesis, 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import reid_models
from train.ablate.rows import Study, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.run import method_settings

_NOTE = "Published: Rank-1 / mAP in per cent, H. Chen's thesis (2022), table {}."
_SETS = ("Market-1501", "DukeMTMC-reID", "MSMT17")
_WHOLE = ("93.8 / 82.3", "83.3 / 69.9", "70.2 / 38.9")


class _Line(NamedTuple):
    """A row before it is measured; tables 6.2 and 6.3 have no figures of MSMT17."""

    name: str
    changes: tuple[str, ...]
    published: tuple[str, ...]


_NEGATIVES = [
    _Line("the hardest negative", ("hardest_negative=true",), ("92.8 / 80.1", "82.5 / 68.2")),
    _Line("all negatives", (), _WHOLE[:2]),
]
_CONSISTENCY = [
    _Line("mean square error", ("squared_soft=true",), ("92.7 / 80.0", "82.1 / 68.4")),
    _Line("both images changed", ("plain_target=false",), ("92.8 / 80.4", "82.5 / 68.2")),
    _Line("KL(P || Q), plain images as targets", (), _WHOLE[:2]),
    _Line("KL(Q || P), as in the public code", ("reverse_soft=true",), ()),
]
_THRESHOLDS = [
    _Line(f"eps = {eps}", ("clustering.rho=null", f"clustering.eps={eps}"), published)
    for eps, published in (
        (0.45, ("93.4 / 82.5", "82.8 / 68.0", "69.2 / 36.6")),
        (0.5, ("94.1 / 83.0", "82.9 / 69.2", "69.9 / 38.4")),
        (0.55, _WHOLE),
        (0.6, ("93.0 / 81.2", "83.5 / 69.4", "70.9 / 39.4")),
    )
]
_NO_HARD, _NO_SOFT, _AGNOSTIC = "lambda_hard=0", "lambda_soft=0", "lambda_camera=0"
_LOSSES = [
    _Line(f"{memory}: {name}", (*changes, *more), published)
    for memory, more, rows in (
        (
            "camera-aware",
            (),
            (
                ("91.5 / 79.3", "81.4 / 67.3", "67.8 / 36.4"),
                ("92.6 / 80.5", "82.4 / 68.8", "69.1 / 38.0"),
                ("93.2 / 81.1", "82.0 / 68.4", "68.7 / 38.1"),
                _WHOLE,
            ),
        ),
        (
            "camera-agnostic",
            (_AGNOSTIC,),
            (
                ("85.3 / 65.8", "67.9 / 50.9", "52.3 / 24.1"),
                ("91.3 / 78.2", "79.6 / 65.4", "60.8 / 30.3"),
                ("66.7 / 47.2", "50.4 / 36.2", "38.8 / 17.8"),
                ("92.0 / 79.5", "81.3 / 67.2", "59.0 / 29.8"),
            ),
        ),
    )
    for (name, changes), published in zip(
        (
            ("proxies alone", (_NO_HARD, _NO_SOFT)),
            ("and hard instances", (_NO_SOFT,)),
            ("and soft instances", (_NO_HARD,)),
            ("and both", ()),
        ),
        rows,
        strict=True,
    )
]
_BACKBONES = {"resnet50": _WHOLE, "resnet50_ibn_a": ("94.2 / 82.5", "83.6 / 70.7", "70.7 / 40.6")}


def ice_tables(study: Study) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row.

    Table 6.4 is left out where the study's architecture has no form with instance normalisation.
    """
    tables = {
        "6.2 Negatives of the hard instance contrast": _NEGATIVES,
        "6.3 Soft instance consistency": _CONSISTENCY,
        "6.4 Backbones": _backbones(study),
        "6.5 Distance threshold of DBSCAN": _THRESHOLDS,
        "6.6 Losses": _LOSSES,
    }
    return growing(
        Plan(title, _NOTE.format(title[:3]), _measured(study, lines))
        for title, lines in tables.items()
        if lines
    )


def _backbones(study: Study) -> list[_Line]:
    own = method_settings("ice", study.settings, study.changes).architecture
    names = (own, f"{own}_ibn_a")
    if not set(names) <= set(reid_models.names()):
        return []
    return [_Line(n, (f"architecture={n}",), _BACKBONES.get(n, ())) for n in names]


def _measured(study: Study, lines: list[_Line]) -> Iterator[Row]:
    for name, changes, published in lines:
        rates = trained(study, Training("ice", changes)).rates
        yield Row(name, rates, dict(zip(_SETS, published, strict=False)))
