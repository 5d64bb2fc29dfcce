"""Two encoders beside each other as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from train.compare import PROTOCOL, Comparison
from train.evaluation.charts import cmc_chart, roc_chart
from train.evaluation.html import write_html
from train.evaluation.lists import RankList, RankLists
from train.evaluation.spread import measure_spread

_QUERIES = 8  # of those that lost, and of those that gained
_BINS = 6_000  # so that the curve of few false positives has many points


class Pair(NamedTuple):
    """One query's rank lists."""

    old: RankList
    new: RankList


def write_comparison(file: Path, comparison: Comparison) -> None:
    """Write the page; it appears whole or not at all.

    Raises:
        TrainError: the page cannot be written, or an image cannot be read.
    """
    sides = {"old": comparison.old, "new": comparison.new}
    lists = [RankLists(side.search, side.ranking) for side in sides.values()]
    gains = comparison.new.ranking.precisions - comparison.old.ranking.precisions
    order = np.argsort(gains, kind="stable").tolist()

    def pairs(queries: list[int]) -> list[Pair]:
        return [Pair(*(side.of(query) for side in lists)) for query in queries[:_QUERIES]]

    write_html(
        file,
        "comparison.html.j2",
        comparison=comparison,
        protocol=PROTOCOL,
        sides=[side.measured for side in sides.values()],
        charts=[
            roc_chart({name: measure_spread(side.search, _BINS) for name, side in sides.items()}),
            cmc_chart({name: side.ranking for name, side in sides.items()}),
        ],
        lost=pairs([query for query in order if gains[query] < 0]),
        gained=pairs([query for query in reversed(order) if gains[query] > 0]),
    )
