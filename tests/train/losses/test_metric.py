"""One setting chooses the metric loss."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from train.losses import (
    CircleLoss,
    ContrastiveLoss,
    FIDILoss,
    MetricLoss,
    TripletLoss,
    metric_loss,
)

PARSE = TypeAdapter(MetricLoss)


@pytest.mark.parametrize(
    ("values", "kind", "attributes"),
    [
        ({"name": "triplet"}, TripletLoss, {"margin": 0.3}),
        ({"name": "triplet", "margin": None}, TripletLoss, {"margin": None}),
        ({"name": "fidi"}, FIDILoss, {"alpha": 1.05, "beta": 0.5, "reduction": "mean"}),
        (
            {"name": "fidi", "alpha": 2, "beta": 1, "reduction": "sum"},
            FIDILoss,
            {"alpha": 2.0, "beta": 1.0, "reduction": "sum"},
        ),
        ({"name": "contrastive", "margin": 4}, ContrastiveLoss, {"margin": 4.0}),
        ({"name": "circle", "scale": 64}, CircleLoss, {"margin": 0.25, "scale": 64.0}),
    ],
)
def test_the_setting_is_the_loss(values: dict, kind: type, attributes: dict) -> None:
    loss = metric_loss(PARSE.validate_python(values))
    assert type(loss) is kind
    assert {name: getattr(loss, name) for name in attributes} == attributes


@pytest.mark.parametrize(
    "values",
    [
        {"name": "quadruplet"},
        {"margin": 0.3},
        {"name": "fidi", "margin": 0.3},
        {"name": "fidi", "alpha": 1},
        {"name": "triplet", "margin": -1},
        {"name": "circle", "margin": 2},
    ],
)
def test_mistakes_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PARSE.validate_python(values)
