"""An evaluation by its protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid_models.ranking import rerank
from train.data import DataSet, Sample
from train.errors import TrainError
from train.evaluation import (
    Features,
    How,
    evaluate,
    evaluate_distances,
    make_search,
    multi_query,
    pool_tracklets,
)
from train.report import summary


def data_set(seed: int, tracklets: bool = True) -> tuple[DataSet, Features, Features]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((8, 6))

    def part(count: int) -> tuple[list[Sample], Features]:
        samples = [
            Sample(Path(f"{i}.jpg"), int(p), int(c), int(t) if tracklets else None)
            for i, (p, c, t) in enumerate(
                zip(*(rng.integers(0, n, count) for n in (7, 3, 4)), strict=True)
            )
        ]
        samples = [s._replace(identity=s.identity + 1) for s in samples]
        labels = [np.array([getattr(s, key) for s in samples]) for key in ("identity", "camera")]
        vectors = centres[labels[0]] + rng.standard_normal((count, 6))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return samples, Features(vectors.astype(np.float32), *labels)

    (asked, query), (shown, gallery) = part(30), part(90)
    return DataSet("made up", [], asked, shown, []), query, gallery


def test_each_protocol_is_what_its_parts_give() -> None:
    data, query, gallery = data_set(1)

    def precision(how: How) -> float:
        return make_search(query, gallery, data, how).ranking().mean_average_precision

    def direct(*arguments: Features, **options: object) -> float:
        return evaluate(*arguments, **options).mean_average_precision  # type: ignore[arg-type]

    assert precision(How()) == direct(query, gallery)
    assert precision(How("euclidean", "rectangle", other_cameras=True)) == direct(
        query,
        gallery,
        metric="euclidean",
        average_precision="rectangle",
        other_cameras=True,
    )
    assert precision(How(multi_query=True)) == direct(multi_query(query, gallery).features, gallery)
    pooled = [
        pool_tracklets(part, [s.tracklet for s in samples]).features
        for part, samples in ((query, data.query), (gallery, data.gallery))
    ]
    assert precision(How(tracklets=True)) == direct(*pooled)
    distances = rerank(query.embeddings, gallery.embeddings)
    wanted = evaluate_distances(distances, query, gallery).mean_average_precision
    assert precision(How(rerank=True)) == wanted


def test_pooled_queries_show_an_image_of_theirs() -> None:
    data, query, gallery = data_set(2)
    search = make_search(query, gallery, data, How(multi_query=True, tracklets=True))
    for features, samples in ((search.query, search.queries), (search.gallery, search.shown)):
        assert features.identities.tolist() == [s.identity for s in samples]
        assert features.cameras.tolist() == [s.camera for s in samples]
    assert len(search.queries) < len(data.query)


@pytest.mark.parametrize("how", [How(), How("euclidean"), How(rerank=True)])
def test_a_row_is_that_of_the_blocks(how: How) -> None:
    data, query, gallery = data_set(3)
    search = make_search(query, gallery, data, how)
    for block in search.blocks():
        for row in range(30):
            distances = block.shift[row] + block.scale[row] * block.keys[row]
            np.testing.assert_allclose(search.row(row), distances, atol=1e-5)


def test_the_summary_names_its_protocol() -> None:
    data, query, gallery = data_set(4)
    how = How("cosine", "rectangle", multi_query=True, rerank=True)
    found = summary(make_search(query, gallery, data, how).ranking(), how)
    assert found["protocol"] == (
        "Market-1501, cosine, average precision by rectangle, multi-query, re-ranked"
    )
    assert list(found) == [
        "protocol",
        *("rank1", "rank5", "rank10", "rank20", "map", "minp"),
        *("tpr_at_fpr_1e-3", "tpr_at_fpr_1e-4"),
        *("queries", "queries_without_match"),
    ]
    ranking = evaluate(query, gallery, average_precision="rectangle")
    assert "by rectangle" in summary(ranking)["protocol"]


def test_mistakes() -> None:
    data, query, gallery = data_set(5, tracklets=False)
    with pytest.raises(TrainError, match="measure it by cosine"):
        How("euclidean", rerank=True)
    with pytest.raises(TrainError, match="which tracklet they are of"):
        make_search(query, gallery, data, How(tracklets=True))
