"""The metric loss of a method, chosen by one setting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from train.loop.settings import Settings
from train.losses.circle import CircleLoss
from train.losses.contrastive import ContrastiveLoss
from train.losses.fidi import FIDILoss
from train.losses.triplet import TripletLoss


class TripletSettings(Settings):
    """See `TripletLoss`."""

    name: Literal["triplet"]
    margin: float | None = Field(0.3, ge=0)


class FIDISettings(Settings):
    """See `FIDILoss`."""

    name: Literal["fidi"]
    alpha: float = Field(1.05, gt=1)
    beta: float = Field(0.5, gt=0)
    reduction: Literal["mean", "sum"] = "mean"


class ContrastiveSettings(Settings):
    """See `ContrastiveLoss`."""

    name: Literal["contrastive"]
    margin: float = Field(1.0, gt=0)


class CircleSettings(Settings):
    """See `CircleLoss`."""

    name: Literal["circle"]
    margin: float = Field(0.25, gt=0, lt=1)
    scale: float = Field(128.0, gt=0)


MetricLoss = Annotated[
    TripletSettings | FIDISettings | ContrastiveSettings | CircleSettings,
    Field(discriminator="name"),
]


def metric_loss(settings: MetricLoss) -> nn.Module:
    """The loss that ``settings`` describe; called with ``(embeddings (N, D), labels (N,))``."""
    match settings:
        case TripletSettings():
            return TripletLoss(settings.margin)
        case FIDISettings():
            return FIDILoss(settings.alpha, settings.beta, settings.reduction)
        case ContrastiveSettings():
            return ContrastiveLoss(settings.margin)
        case CircleSettings():
            return CircleLoss(settings.margin, settings.scale)
