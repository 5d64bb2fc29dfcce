"""An evaluation as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from train.evaluation.cam import Looker
from train.evaluation.charts import cmc_chart, spread_chart
from train.evaluation.html import write_html
from train.evaluation.lists import RankLists
from train.evaluation.measure import Search
from train.evaluation.ranking import Ranking
from train.evaluation.spread import measure_spread

_QUERIES = 12  # rank lists of each kind


def write_page(
    file: Path, figures: Mapping[str, Any], search: Search, ranking: Ranking, encoder: Path | None
) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        file: where to.
        figures: what the page's table shows.
        search: what was measured.
        ranking: how it went.
        encoder: a ``.safetensors`` file, for the maps of what the network looks at; with
            another file, or None, there are none.

    Raises:
        TrainError: the page cannot be written, or an image cannot be read.
    """
    looker = Looker(encoder) if encoder and encoder.suffix == ".safetensors" else None
    lists = RankLists(search, ranking, looker)
    hardest = np.argsort(np.where(ranking.matched, ranking.precisions, 2), kind="stable")
    hardest = hardest[: min(_QUERIES, int(ranking.matched.sum()))]
    spaced = np.unique(np.linspace(0, ranking.queries - 1, _QUERIES).astype(np.int64))
    spread = measure_spread(search)
    write_html(
        file,
        "page.html.j2",
        figures=figures,
        charts=[cmc_chart({"CMC": ranking}), spread_chart(spread, ranking, search.squared)],
        points=ranking.roc,
        squared=search.squared,
        hardest=[lists.of(int(query)) for query in hardest],
        spaced=[lists.of(int(query)) for query in spaced],
        has_maps=looker is not None,
    )
