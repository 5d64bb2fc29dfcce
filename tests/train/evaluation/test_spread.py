"""Histograms of distances against a naive loop."""

from __future__ import annotations

import numpy as np
import pytest

from tests.train.evaluation.test_measure import data_set
from train.evaluation import How, make_search
from train.evaluation.spread import measure_spread


@pytest.mark.parametrize(
    "how", [How(), How("euclidean"), How(rerank=True), How(other_cameras=True)]
)
def test_agrees_with_the_naive_loop(how: How) -> None:
    data, query, gallery = data_set(1)
    gallery.identities[:5] = -1
    search = make_search(query, gallery, data, how)
    found = measure_spread(search, bins=25)
    within, between = [], []
    for row, (identity, camera) in enumerate(zip(query.identities, query.cameras, strict=True)):
        distances = np.sqrt(search.row(row)) if how.metric == "euclidean" else search.row(row)
        for distance, other, where in zip(
            distances, gallery.identities, gallery.cameras, strict=True
        ):
            if other == -1 or (camera == where and (how.other_cameras or identity == other)):
                continue
            (within if identity == other else between).append(distance)
    assert len(found.edges) <= 26
    assert found.within.sum() == len(within)
    assert found.between.sum() == len(between)
    # a distance on an edge may fall to either side of it
    for counts, distances in ((found.within, within), (found.between, between)):
        np.testing.assert_allclose(np.histogram(distances, found.edges)[0], counts, atol=1)


def test_of_nothing_but_junk() -> None:
    data, query, gallery = data_set(2)
    gallery.identities[:] = -1
    found = measure_spread(make_search(query, gallery, data, How()))
    assert found.within.sum() == found.between.sum() == 0
