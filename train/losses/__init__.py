"""Losses, one a file. Each is a `torch.nn.Module` that gives a scalar."""

from __future__ import annotations

from train.losses.camera_proxy import CameraProxies, CameraProxyContrast
from train.losses.circle import CircleLoss
from train.losses.contrastive import ContrastiveLoss
from train.losses.cross_entropy import LabelSmoothedCrossEntropy
from train.losses.fidi import FIDILoss
from train.losses.hard_instance import HardInstanceContrast
from train.losses.metric import MetricLoss, metric_loss
from train.losses.proxy import ProxyContrast
from train.losses.reconstruction import ReconstructionLoss, reconstruction_loss
from train.losses.soft_cross_entropy import SoftCrossEntropy
from train.losses.soft_instance import SoftInstanceConsistency
from train.losses.soft_triplet import SoftTripletLoss
from train.losses.triplet import TripletLoss
from train.losses.view_contrast import ViewContrast

__all__ = [
    "CameraProxies",
    "CameraProxyContrast",
    "CircleLoss",
    "ContrastiveLoss",
    "FIDILoss",
    "HardInstanceContrast",
    "LabelSmoothedCrossEntropy",
    "MetricLoss",
    "ProxyContrast",
    "ReconstructionLoss",
    "SoftCrossEntropy",
    "SoftInstanceConsistency",
    "SoftTripletLoss",
    "TripletLoss",
    "ViewContrast",
    "metric_loss",
    "reconstruction_loss",
]
