"""Measured quality of re-identification, by Market-1501's protocol."""

from __future__ import annotations

from train.evaluation.embed import embed_data, histogram_features
from train.evaluation.features import Features, multi_query, pool_tracklets
from train.evaluation.fidelity import ErrorCounts, error_counts
from train.evaluation.measure import How, Search, make_search
from train.evaluation.ranking import OperatingPoint, Ranking, evaluate, evaluate_distances
from train.evaluation.thresholds import recommend

__all__ = [
    "ErrorCounts",
    "Features",
    "How",
    "OperatingPoint",
    "Ranking",
    "Search",
    "embed_data",
    "error_counts",
    "evaluate",
    "evaluate_distances",
    "histogram_features",
    "make_search",
    "multi_query",
    "pool_tracklets",
    "recommend",
]
