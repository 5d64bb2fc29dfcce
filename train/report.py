"""Figures as they are written to files and printed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from train.evaluation import How, Ranking

_AS_USUAL = How()


def summary(ranking: Ranking, how: How = _AS_USUAL) -> dict[str, Any]:
    """A ranking as plain values, rates rounded to four digits, with its protocol."""
    cmc = ranking.cmc
    ranks = {f"rank{k}": round(float(cmc[min(k, len(cmc)) - 1]), 4) for k in (1, 5, 10, 20)}
    rates = {f"tpr_at_fpr_{p.label}": round(p.true_positive_rate, 4) for p in ranking.roc}
    return {
        "protocol": replace(how, average_precision=ranking.average_precision).protocol,
        **ranks,
        "map": round(ranking.mean_average_precision, 4),
        "minp": round(ranking.mean_inverse_negative_penalty, 4),
        **rates,
        "queries": ranking.queries,
        "queries_without_match": ranking.queries_without_match,
    }
