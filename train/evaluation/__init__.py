"""Measured quality of re-identification, by Market-1501's protocol."""

from __future__ import annotations

from train.evaluation.embed import embed_data
from train.evaluation.features import Features, multi_query, pool_tracklets
from train.evaluation.histogram import histogram_features
from train.evaluation.ranking import OperatingPoint, Ranking, evaluate, evaluate_distances
from train.evaluation.thresholds import recommend

__all__ = [
    "Features",
    "OperatingPoint",
    "Ranking",
    "embed_data",
    "evaluate",
    "evaluate_distances",
    "histogram_features",
    "multi_query",
    "pool_tracklets",
    "recommend",
]
