"""Market-1501's protocol against a naive loop, scikit-learn and published values."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_curve

from train.errors import TrainError
from train.evaluation import Features, blocks, evaluate, evaluate_distances

DEVICES = [None, "cpu"]  # numpy, and torch as on an accelerator


class Naive(NamedTuple):
    cmc: np.ndarray
    precision: float
    penalty: float
    rates: list[float]


def naive_distance(x: np.ndarray, y: np.ndarray, metric: str) -> float:
    if metric == "euclidean":
        return float(((x - y) ** 2).sum())
    return 1 - float(np.dot(x, y)) / float(np.linalg.norm(x) * np.linalg.norm(y))


def naive(query: Features, gallery: Features, metric: str, mode: str, other_cameras: bool) -> Naive:
    """Image by image, in float64: CMC over the whole gallery, mAP, mINP, TPR at FPR."""
    cmc, precisions, penalties, own, others = [], [], [], [], []
    gallery_rows = list(zip(*vars(gallery).values(), strict=True))
    for x, identity, camera in zip(*vars(query).values(), strict=True):
        rows = []
        for position, (y, other, where) in enumerate(gallery_rows):
            distance = naive_distance(x.astype(float), y.astype(float), metric)
            junk = other == -1 or (where == camera and (other == identity or other_cameras))
            if not junk:
                rows.append((distance, position, other == identity))
                (own if other == identity else others).append(distance)
        rows.sort(key=lambda row: row[:2])
        ranks = [rank for rank, row in enumerate(rows) if row[2]]
        total = 0.0
        for i, r in enumerate(ranks):
            p = (i + 1) / (r + 1)
            old = i / r if r else 1.0
            total += (old + p) / 2 if mode == "trapezoid" else p
        precisions.append(total / len(ranks) if ranks else 0.0)
        penalties.append(len(ranks) / (ranks[-1] + 1) if ranks else 0.0)
        cmc.append([bool(ranks) and ranks[0] <= k for k in range(len(gallery.identities))])
    rates = [naive_rate(own, others, share) for share in (1e-3, 1e-4)]
    return Naive(np.mean(cmc, axis=0), float(np.mean(precisions)), float(np.mean(penalties)), rates)


def naive_rate(own: list[float], others: list[float], share: float) -> float:
    """The best share of own pairs over all thresholds that let through few enough others."""
    own, others = sorted(own), sorted(others)
    passing = [d for d in own if bisect_right(others, d) <= share * len(others)]
    return len(passing) / max(len(own), 1)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Features, Features]:
    """Embeddings of small whole numbers: their products are exact, and ties are frequent."""

    def features(count: int, identities: st.SearchStrategy[int]) -> Features:
        # No zero vectors: their cosine is undefined.
        vectors = [
            draw(st.sampled_from([(3, 4), (4, 3), (0, 5), (5, 0), (-3, 4)])) for _ in range(count)
        ]
        names = [draw(identities) for _ in range(count)]
        cameras = [draw(st.integers(1, 3)) for _ in range(count)]
        return Features(np.array(vectors, np.float64), np.array(names), np.array(cameras))

    query = features(draw(st.integers(1, 6)), st.integers(1, 4))
    return query, features(draw(st.integers(1, 25)), st.integers(-1, 4))


@given(
    problems(),
    st.sampled_from(["cosine", "euclidean"]),
    st.sampled_from(["trapezoid", "rectangle"]),
    st.booleans(),
    st.sampled_from(DEVICES),
)
@settings(max_examples=200, deadline=None)
def test_agrees_with_the_naive_loop(
    problem: tuple[Features, Features],
    metric: str,
    mode: str,
    other_cameras: bool,
    device: str | None,
) -> None:
    query, gallery = problem
    found = evaluate(query, gallery, metric, mode, 99, other_cameras, device)
    wanted = naive(query, gallery, metric, mode, other_cameras)
    np.testing.assert_allclose(found.cmc, wanted.cmc)
    assert found.mean_average_precision == pytest.approx(wanted.precision)
    assert found.mean_inverse_negative_penalty == pytest.approx(wanted.penalty)
    assert [point.true_positive_rate for point in found.roc] == pytest.approx(wanted.rates)
    assert found.queries == len(query.identities)


def crowd(seed: int, dtype: type = np.float32) -> tuple[Features, Features]:
    """People with junk, distractors, queries without match, and every fifth image a copy."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((30, 24)) * 0.6

    def features(count: int, lowest: int) -> Features:
        names = rng.integers(lowest, 30, count)
        rows = centres[names] * (names > 0)[:, None] + rng.standard_normal((count, 24))
        copied = rng.permutation(count)[: count // 5]
        rows[copied] = rows[rng.integers(0, count, len(copied))]
        return Features(rows.astype(dtype), names, rng.integers(1, 5, count))

    gallery = features(700, -1)
    return features(60, 1), gallery


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("mode", ["trapezoid", "rectangle"])
def test_junk_distractors_and_copies_in_single_precision(
    device: str | None, metric: str, mode: str
) -> None:
    query, gallery = crowd(3)
    found = evaluate(query, gallery, metric, mode, device=device)
    wanted = naive(query, gallery, metric, mode, other_cameras=False)
    assert found.mean_average_precision == pytest.approx(wanted.precision, abs=1e-6)
    assert found.mean_inverse_negative_penalty == pytest.approx(wanted.penalty, abs=1e-6)
    np.testing.assert_allclose(found.cmc, wanted.cmc[:50], atol=1e-9)
    assert [point.true_positive_rate for point in found.roc] == pytest.approx(wanted.rates)


@pytest.mark.parametrize("device", DEVICES)
def test_agrees_with_scikit_learn(device: str | None) -> None:
    rng = np.random.default_rng(5)
    query, gallery = (
        Features(rng.standard_normal((n, 6)), rng.integers(0, 9, n), rng.integers(1, 4, n))
        for n in (40, 300)
    )
    query = Features(query.embeddings, query.identities % 8 + 1, query.cameras)
    found = evaluate(query, gallery, "euclidean", "rectangle", device=device)
    labels, scores, precisions = [], [], []
    for x, identity, camera in zip(*vars(query).values(), strict=True):
        kept = ~((gallery.identities == identity) & (gallery.cameras == camera))
        score = -np.square(gallery.embeddings - x).sum(axis=1)[kept]
        label = gallery.identities[kept] == identity
        precisions.append(average_precision_score(label, score))
        labels.append(label)
        scores.append(score)
    np.testing.assert_allclose(found.precisions, precisions, atol=1e-12)
    false, true, _ = roc_curve(np.concatenate(labels), np.concatenate(scores))
    for point in found.roc:
        best = true[false <= point.false_positive_rate].max()
        assert point.true_positive_rate == pytest.approx(best, abs=1e-12)


def test_the_threshold_is_a_distance() -> None:
    """What lies below it is let through: few enough of others, and the reported share of own."""
    query, gallery = crowd(4)
    for metric in ("cosine", "euclidean"):
        own, others = [], []
        for x, identity, camera in zip(*vars(query).values(), strict=True):
            for y, other, where in zip(*vars(gallery).values(), strict=True):
                if other == -1 or (other == identity and where == camera):
                    continue
                distance = naive_distance(x.astype(float), y.astype(float), metric)
                (own if other == identity else others).append(distance)
        for point in evaluate(query, gallery, metric).roc:
            threshold = point.threshold - 1e-6
            assert np.mean(np.array(others) < threshold) <= point.false_positive_rate
            share = np.mean(np.array(own) < threshold)
            assert share == pytest.approx(point.true_positive_rate, abs=1e-3)


@pytest.mark.parametrize(("mode", "wanted"), [("trapezoid", 0.81101), ("rectangle", 0.83036)])
@pytest.mark.parametrize("device", DEVICES)
def test_published_check_vector(mode: str, wanted: float, device: str | None) -> None:
    """Hits at the filtered ranks 1, 2, 4 and 7, with junk in between."""
    identities = np.array([5, -1, 5, 8, 5, 0, -1, 9, 5])
    angles = np.arange(9) * 0.1 + 0.1
    gallery = Features(np.stack([np.cos(angles), np.sin(angles)], 1), identities, np.full(9, 2))
    query = Features(np.array([[1.0, 0.0]]), np.array([5]), np.array([1]))
    found = evaluate(query, gallery, average_precision=mode, device=device)
    assert found.mean_average_precision == pytest.approx(wanted, abs=5e-6)
    assert found.mean_inverse_negative_penalty == pytest.approx(4 / 7)
    assert found.cmc[0] == 1


def test_published_small_case() -> None:
    """Ties, junk, distractors and a query without match; distances are given directly."""
    distances = np.array(
        [
            [0.1, 0.3, 0.2, 0.2, 0.05, 0.6, 0.4, 0.2, 0.7, 0.8, 0.9, 0.35, 0.15, 0.01],
            [0.5] * 14,
            [0.3, 0.1, 0.2, 0.25, 0.4, 0.15, 0.35, 0.45, 0.5, 0.22, 0.6, 0.02, 0.7, 0.22],
            [0.3, 0.1, 0.2, 0.25, 0.4, 0.15, 0.35, 0.45, 0.5, 0.22, 0.6, 0.02, 0.7, 0.22],
            [0.7, 0.1, 0.9, 0.2, 0.3, 0.4, 0.05, 0.6, 0.8, 0.5, 0.2, 0.55, 0.65, 0.75],
        ]
    )
    before = distances.copy()
    query = Features(np.zeros((5, 1)), np.array([1, 2, 3, 9, 1]), np.array([0, 1, 0, 0, 2]))
    gallery = Features(
        np.zeros((14, 1)),
        np.array([1, 2, 0, 1, -1, 3, 1, 2, 0, 3, 1, 3, 2, -1]),
        np.array([0, 0, 1, 1, 2, 1, 2, 1, 0, 2, 1, 0, 2, 0]),
    )
    share = 4 / 5  # the published means leave out the query that has no match
    rectangle = evaluate_distances(distances, query, gallery, "rectangle")
    assert rectangle.mean_average_precision == pytest.approx(0.40954184704184704 * share)
    assert rectangle.mean_inverse_negative_penalty == pytest.approx(0.32196969696969696 * share)
    assert rectangle.queries_without_match == 1
    assert rectangle.matched.tolist() == [True, True, True, False, True]
    published = [0.2972582972582973, 0.34090909090909094, 0.5, 0, 0.49999999999999994]
    np.testing.assert_allclose(rectangle.precisions, published)
    np.testing.assert_allclose(rectangle.cmc[:3], np.array([0, 0.75, 1]) * share)
    trapezoid = evaluate_distances(distances, query, gallery)
    assert trapezoid.mean_average_precision == pytest.approx(0.2783820346320346 * share)
    np.testing.assert_array_equal(distances, before)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rows", [1, 7, 33])
def test_blocks_change_nothing(
    device: str | None, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, gallery = crowd(6, np.float64)
    whole = evaluate(query, gallery)
    monkeypatch.setattr(blocks, "BLOCK", rows * 700)
    found = evaluate(query, gallery, device=device)
    np.testing.assert_array_equal(found.precisions, whole.precisions)
    np.testing.assert_array_equal(found.cmc, whole.cmc)
    for point, same in zip(found.roc, whole.roc, strict=True):
        assert point.true_positive_rate == same.true_positive_rate
        assert point.threshold == pytest.approx(same.threshold)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_copies_keep_the_order_of_the_gallery(device: str | None, metric: str) -> None:
    """Their products differ in the last digit, by where in the matrix they stand."""
    rng = np.random.default_rng(8)
    row, count = rng.standard_normal(333).astype(np.float32), 1001
    names = np.full(count, 7)
    names[[10, 500, 1000]] = 1
    copies = Features(np.repeat(row[None], count, axis=0), names, np.full(count, 2))
    vectors = rng.standard_normal((17, 333)).astype(np.float32)
    query = Features(vectors, np.full(17, 1), np.full(17, 1))
    found = evaluate(query, copies, metric, "rectangle", ranks=20, device=device)
    assert found.cmc.tolist() == [0.0] * 10 + [1.0] * 10
    assert found.mean_average_precision == pytest.approx((1 / 11 + 2 / 501 + 3 / 1001) / 3)


def test_vectors_of_zeros_and_half_precision() -> None:
    query, gallery = crowd(9, np.float16)
    gallery.embeddings[::50] = 0
    found = evaluate(query, gallery)
    single = [
        Features(f.embeddings.astype(np.float32), f.identities, f.cameras) for f in (query, gallery)
    ]
    assert found.mean_average_precision == evaluate(*single).mean_average_precision


def test_inputs_are_checked() -> None:
    ok = Features(np.eye(3), np.arange(3), np.arange(3))
    none = Features(np.zeros((0, 3)), np.arange(0), np.arange(0))
    with pytest.raises(TrainError, match="metric must be"):
        evaluate(ok, ok, metric="manhattan")
    with pytest.raises(TrainError, match="average_precision must be"):
        evaluate(ok, ok, average_precision="voc")
    with pytest.raises(TrainError, match="differ in dimension"):
        evaluate(ok, Features(np.eye(3)[:, :2], np.arange(3), np.arange(3)))
    with pytest.raises(TrainError, match="may be empty"):
        evaluate(none, ok)
    with pytest.raises(TrainError, match="may be empty"):
        evaluate(ok, none)
    with pytest.raises(TrainError, match="are needed, not"):
        evaluate_distances(np.zeros((2, 3)), ok, ok)
    with pytest.raises(TrainError, match="finite"):
        evaluate_distances(np.full((3, 3), np.nan), ok, ok)
