"""What repair would gain by the re-ranked distance.

``python -m tests.benchmarks.regrouping FOLDER...``

A folder is one of `tests.benchmarks.steps`. Repair compares parties by how alike they are, as
similarities count (`pipeline.matcher.repair.weighed`). Here a share of that, or all, is what the
k-reciprocal Jaccard distance among the parties says instead (Zhong et al. 2017, "Re-ranking person
re-identification with k-reciprocal encoding"), laid between others and one person elsewhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from pipeline.matcher import engine as engine_module
from pipeline.matcher.lookalikes import Lookalikes
from pipeline.matcher.repair import Recent, weighed
from pipeline.matcher.sameness import RECKONED
from reid_models.ranking import jaccard_distance
from tests.benchmarks.steps import HEADER, Recorded, replay, row, steps_of

SHARES = 0.15, 0.3, 1.0
NEIGHBOURS = (4, 1), (6, 2), (10, 2), (20, 3)  # k1, k2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    recorded = [Recorded.of(folder) for folder in parser.parse_args().folders]
    print(f"{'mean of ' + str(len(recorded)):24}{HEADER}")
    measure("as it is", weighed, recorded)
    for k1, k2 in NEIGHBOURS:
        for share in SHARES:
            distance = partial(reranked, k1=k1, k2=k2, share=share)
            measure(f"k {k1}, {k2}; share {share}", distance, recorded)


def measure(
    name: str, distance: Callable[[Recent, Lookalikes | None], Recent], recorded: list[Recorded]
) -> None:
    """Prints the row of all steps where repair compares so."""
    (step,) = (s for s in steps_of(declared=True) if s.name == "+ cameras")
    with patch.object(engine_module, "weighed", distance):
        print(row(name, [replay(one, step) for one in recorded]), flush=True)


def reranked(
    recent: Recent, lookalikes: Lookalikes | None, *, k1: int, k2: int, share: float
) -> Recent:
    """With similarities of which a share is by the re-ranked distance."""
    found = weighed(recent, lookalikes)
    if lookalikes is None:
        return found
    values, vectors = np.linalg.eigh(recent.similarity)
    rows = vectors * np.sqrt(np.maximum(values, 0))  # whose products are the similarities
    sparse = jaccard_distance(rows.astype(np.float32), k1, k2).tocoo()
    jaccard = np.ones(sparse.shape)
    jaccard[sparse.row, sparse.col] = sparse.data
    alike = lookalikes.others.mean + RECKONED * lookalikes.others.stdev * (1 - jaccard)
    return replace(found, similarity=(1 - share) * found.similarity + share * alike)


if __name__ == "__main__":
    main()
