"""Figures as they are written to files and printed."""

from __future__ import annotations

from typing import Any

from train.evaluation import Ranking
from train.evaluation.blocks import Metric


def summary(
    ranking: Ranking, metric: Metric = "cosine", other_cameras: bool = False
) -> dict[str, Any]:
    """A ranking as plain values, rates rounded to four digits, with its protocol."""
    protocol = f"Market-1501, {metric}, average precision by {ranking.average_precision}"
    if other_cameras:
        protocol += ", gallery of other cameras"
    cmc = ranking.cmc
    ranks = {f"rank{k}": round(float(cmc[min(k, len(cmc)) - 1]), 4) for k in (1, 5, 10, 20)}
    rates = {
        f"tpr_at_fpr_{_power(point.false_positive_rate)}": round(point.true_positive_rate, 4)
        for point in ranking.roc
    }
    return {
        "protocol": protocol,
        **ranks,
        "map": round(ranking.mean_average_precision, 4),
        "minp": round(ranking.mean_inverse_negative_penalty, 4),
        **rates,
        "queries": ranking.queries,
        "queries_without_match": ranking.queries_without_match,
    }


def _power(rate: float) -> str:
    """0.001 as 1e-3."""
    mantissa, exponent = f"{rate:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
