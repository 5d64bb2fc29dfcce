"""Market-1501's protocol against a naive loop and published values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.errors import TrainError
from train.evaluation import Features, evaluate
from train.evaluation import ranking as module


def naive(query: Features, gallery: Features, metric: str, mode: str, other_cameras: bool):
    """Image by image, in float64: CMC over the whole gallery, mAP, mINP."""
    cmc, precisions, penalties = [], [], []
    for x, identity, camera in zip(*vars(query).values(), strict=True):
        rows = []
        for position, (y, other, where) in enumerate(zip(*vars(gallery).values(), strict=True)):
            if metric == "cosine":
                length = max(np.linalg.norm(x) * np.linalg.norm(y), 1e-300)
                distance = 1 - float(np.dot(x, y)) / length
            else:
                distance = float(((x - y) ** 2).sum())
            junk = other == -1 or (where == camera and (other == identity or other_cameras))
            if not junk:
                rows.append((distance, position, other == identity))
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
    return np.mean(cmc, axis=0), np.mean(precisions), np.mean(penalties)


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
)
@settings(max_examples=200, deadline=None)
def test_agrees_with_the_naive_loop(problem, metric: str, mode: str, other_cameras: bool) -> None:
    query, gallery = problem
    found = evaluate(query, gallery, metric, mode, ranks=99, other_cameras=other_cameras)
    cmc, precision, penalty = naive(query, gallery, metric, mode, other_cameras)
    np.testing.assert_allclose(found.cmc, cmc)
    assert found.mean_average_precision == pytest.approx(precision)
    assert found.mean_inverse_negative_penalty == pytest.approx(penalty)
    assert found.queries == len(query.identities)


@pytest.mark.parametrize(("mode", "wanted"), [("trapezoid", 0.81101), ("rectangle", 0.83036)])
def test_published_check_vector(mode: str, wanted: float) -> None:
    """Hits at the filtered ranks 1, 2, 4 and 7, with junk in between."""
    identities = np.array([5, -1, 5, 8, 5, 0, -1, 9, 5])
    angles = np.arange(9) * 0.1 + 0.1
    gallery = Features(np.stack([np.cos(angles), np.sin(angles)], 1), identities, np.full(9, 2))
    query = Features(np.array([[1.0, 0.0]]), np.array([5]), np.array([1]))
    found = evaluate(query, gallery, average_precision=mode)
    assert found.mean_average_precision == pytest.approx(wanted, abs=5e-6)
    assert found.mean_inverse_negative_penalty == pytest.approx(4 / 7)
    assert found.cmc[0] == 1


def test_published_small_case(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr(module, "_distances", lambda q, g, m: [(slice(0, 5), distances)])
    query = Features(np.zeros((5, 1)), np.array([1, 2, 3, 9, 1]), np.array([0, 1, 0, 0, 2]))
    gallery = Features(
        np.zeros((14, 1)),
        np.array([1, 2, 0, 1, -1, 3, 1, 2, 0, 3, 1, 3, 2, -1]),
        np.array([0, 0, 1, 1, 2, 1, 2, 1, 0, 2, 1, 0, 2, 0]),
    )
    share = 4 / 5  # the published means leave out the query that has no match
    rectangle = evaluate(query, gallery, average_precision="rectangle")
    assert rectangle.mean_average_precision == pytest.approx(0.40954184704184704 * share)
    assert rectangle.mean_inverse_negative_penalty == pytest.approx(0.32196969696969696 * share)
    assert rectangle.queries_without_match == 1
    np.testing.assert_allclose(rectangle.cmc[:3], np.array([0, 0.75, 1]) * share)
    trapezoid = evaluate(query, gallery)
    assert trapezoid.mean_average_precision == pytest.approx(0.2783820346320346 * share)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    names, cameras = rng.integers(1, 12, 90), rng.integers(1, 4, 90)
    rows = rng.standard_normal((90, 8)).astype(np.float32)
    query = Features(rows[:30], names[:30], cameras[:30])
    gallery = Features(rows[30:], names[30:], cameras[30:])
    whole = evaluate(query, gallery)
    monkeypatch.setattr(module, "_BLOCK", 7 * 60)
    assert evaluate(query, gallery).mean_average_precision == whole.mean_average_precision


def test_inputs_are_checked() -> None:
    ok = Features(np.eye(3), np.arange(3), np.arange(3))
    with pytest.raises(TrainError, match="metric must be"):
        evaluate(ok, ok, metric="manhattan")
    with pytest.raises(TrainError, match="average_precision must be"):
        evaluate(ok, ok, average_precision="voc")
    with pytest.raises(TrainError, match="differ in dimension"):
        evaluate(ok, Features(np.eye(3)[:, :2], np.arange(3), np.arange(3)))
    with pytest.raises(TrainError, match="may be empty"):
        evaluate(Features(np.zeros((0, 3)), np.arange(0), np.arange(0)), ok)
    with pytest.raises(TrainError, match="as many identities"):
        Features(np.eye(3), np.arange(2), np.arange(3))
    with pytest.raises(TrainError, match="finite"):
        Features(np.full((1, 2), np.nan), np.arange(1), np.arange(1))
