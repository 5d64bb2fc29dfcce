"""The one training loop that every method uses, and what it asks of a method."""

from __future__ import annotations

from train.loop.method import Batch, Method, Source, Update
from train.loop.progress import Epoch
from train.loop.settings import LoopSettings, OptimizerSettings, Settings

__all__ = [
    "Batch",
    "Epoch",
    "LoopSettings",
    "Method",
    "OptimizerSettings",
    "Settings",
    "Source",
    "Update",
]
