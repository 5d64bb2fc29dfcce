"""Losses, one a file. Each is a `torch.nn.Module` that gives a scalar."""

from __future__ import annotations

from train.losses.circle import CircleLoss
from train.losses.contrastive import ContrastiveLoss
from train.losses.cross_entropy import LabelSmoothedCrossEntropy
from train.losses.fidi import FIDILoss
from train.losses.metric import MetricLoss, metric_loss
from train.losses.reconstruction import ReconstructionLoss, reconstruction_loss
from train.losses.triplet import TripletLoss

__all__ = [
    "CircleLoss",
    "ContrastiveLoss",
    "FIDILoss",
    "LabelSmoothedCrossEntropy",
    "MetricLoss",
    "ReconstructionLoss",
    "TripletLoss",
    "metric_loss",
    "reconstruction_loss",
]
