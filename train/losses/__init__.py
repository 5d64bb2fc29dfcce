"""Losses, one a file. Each is a `torch.nn.Module` that gives a scalar."""

from __future__ import annotations

from train.losses.cross_entropy import LabelSmoothedCrossEntropy
from train.losses.triplet import TripletLoss

__all__ = ["LabelSmoothedCrossEntropy", "TripletLoss"]
