"""Figures as they are written to files and printed."""

from __future__ import annotations

from typing import Any

from train.evaluation import Ranking
from train.evaluation.ranking import Metric


def summary(
    ranking: Ranking, metric: Metric = "cosine", other_cameras: bool = False
) -> dict[str, Any]:
    """A ranking as plain values, rates rounded to four digits, with its protocol."""
    protocol = f"Market-1501, {metric}, average precision by {ranking.average_precision}"
    if other_cameras:
        protocol += ", gallery of other cameras"
    cmc = ranking.cmc
    return {
        "protocol": protocol,
        "rank1": round(float(cmc[0]), 4),
        "rank5": round(float(cmc[min(4, len(cmc) - 1)]), 4),
        "rank10": round(float(cmc[min(9, len(cmc) - 1)]), 4),
        "map": round(ranking.mean_average_precision, 4),
        "minp": round(ranking.mean_inverse_negative_penalty, 4),
        "queries": ranking.queries,
        "queries_without_match": ranking.queries_without_match,
    }
