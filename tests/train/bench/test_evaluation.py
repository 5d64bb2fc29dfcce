"""The benchmark of evaluation and re-ranking, on a problem of no size."""

from __future__ import annotations

import numpy as np

from train.bench.evaluation import measure_evaluation, measure_reranking
from train.bench.problem import market_like


def test_evaluation_agrees_with_the_plain_one() -> None:
    found = measure_evaluation(60, 400, 64, plain_queries=40, repeats=1)
    assert (found.queries, found.gallery, found.dimension) == (60, 400, 64)
    assert (found.against_plain.queries, found.against_plain.gallery) == (40, 400)
    assert found.against_plain.difference < 1e-6
    assert found.against_product.ratio == found.against_product.ours / found.against_product.product


def test_reranking_agrees_with_the_plain_one() -> None:
    found = measure_reranking(60, 400, 64, plain_gallery=200)
    assert (found.against_plain.queries, found.against_plain.gallery) == (30, 200)
    assert found.against_plain.difference < 1e-4


def test_the_problem_has_the_data_sets_proportions() -> None:
    query, gallery = market_like(337, 1_973, 16)
    assert query.embeddings.shape == (337, 16)
    assert gallery.embeddings.shape == (1_973, 16)
    assert np.bincount(gallery.identities + 1)[:2].tolist() == [382, 279]
    assert query.identities.min() > 0
    assert gallery.identities.max() == 75
