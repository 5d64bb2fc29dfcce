"""Measured quality of re-identification, by Market-1501's protocol."""

from __future__ import annotations

from train.evaluation.embed import embed_data
from train.evaluation.histogram import histogram_features
from train.evaluation.ranking import Features, Ranking, evaluate
from train.evaluation.thresholds import recommend

__all__ = ["Features", "Ranking", "embed_data", "evaluate", "histogram_features", "recommend"]
