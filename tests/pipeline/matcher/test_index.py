"""The lists against a plain search in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.matcher import index as index_module
from pipeline.matcher.index import Exact, Index, Lists
from pipeline.records import FloatArray

D = 64  # as wide as FAISS takes at once
FLOOR = 0.6


def units(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Vectors of length 1, in half precision as the matcher has them."""
    vectors = rng.standard_normal(shape)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def crowd(rng: np.random.Generator, groups: int, each: int, spread: float = 0.5) -> FloatArray:
    """(groups * each, D) embeddings in groups that are alike; so are some of the groups."""
    middles = units(rng, (30, 1, D))[rng.integers(0, 30, groups)] + units(rng, (groups, 1, D))
    middles /= np.linalg.norm(middles, axis=-1, keepdims=True)
    alike = middles + np.float32(spread) * units(rng, (groups, each, D))
    alike /= np.linalg.norm(alike, axis=-1, keepdims=True)
    return alike.reshape(-1, D).astype(np.float16).astype(np.float32)


def filled(embeddings: FloatArray, index: Index) -> Index:
    for embedding in embeddings:
        index.append(embedding)
    return index


def plain(embeddings: FloatArray, query: FloatArray, nearest: int) -> list[int]:
    """The rows at or above the floor, the nearest first."""
    similarities = embeddings.astype(np.float64) @ query.astype(np.float64)
    order = np.argsort(-similarities)[:nearest]
    return [int(row) for row in order if similarities[row] >= FLOOR]


def found(index: Index, query: FloatArray, nearest: int) -> list[int]:
    similarities, rows = index.search(query[None], nearest, FLOOR)
    return [int(row) for row in rows[0][similarities[0] >= FLOOR]]


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["append", "append", "replace", "remove", "search"]),
            st.integers(0, 60),
            st.integers(0, 10**6),
        ),
        max_size=60,
    ),
    in_lists=st.booleans(),
)
def test_rows_are_kept_and_found_whatever_changes(
    steps: list[tuple[str, int, int]], in_lists: bool
) -> None:
    rng = np.random.default_rng(0)
    index: Index = Lists(units(rng, (6, D)), probes=6, learned_from=1) if in_lists else Exact()
    known: list[FloatArray] = []
    for step, row, seed in steps:
        vector = units(np.random.default_rng(seed), (D,))
        if step == "append" or not known:
            index.append(vector)
            known.append(vector)
        elif step == "replace":
            index.replace(row % len(known), vector)
            known[row % len(known)] = vector
        elif step == "remove":
            index.remove(row % len(known))
            known[row % len(known)] = known[-1]
            known.pop()
        else:
            query = units(np.random.default_rng(seed + 1), (D,))
            assert set(found(index, query, 8)) == set(plain(np.array(known), query, 8))
        assert len(index) == len(known)
    if known:
        np.testing.assert_array_equal(index.rows(range(len(known))), known)


def test_what_is_alike_enough_is_found_in_few_lists() -> None:
    rng = np.random.default_rng(1)
    embeddings = crowd(rng, groups=400, each=5)
    exact = filled(embeddings, Exact())
    lists = Lists.learn(exact, range(len(exact)), FLOOR)
    assert lists._probes < len(lists._centres) / 3
    queries = crowd(np.random.default_rng(1), groups=400, each=1, spread=0.6)  # the same groups
    there = hit = 0
    for query in queries:
        wanted = plain(embeddings, query, 32)
        there += len(wanted)
        hit += len(set(wanted) & set(found(lists, query, 32)))
    assert there > 1000
    assert hit >= 0.99 * there


def test_the_same_embeddings_give_the_same_lists_in_whatever_rows_they_are() -> None:
    rng = np.random.default_rng(2)
    embeddings = crowd(rng, groups=60, each=5)
    mixed = rng.permutation(len(embeddings))
    first = Lists.learn(filled(embeddings, Exact()), range(len(embeddings)), FLOOR)
    other = Lists.learn(filled(embeddings[mixed], Exact()), np.argsort(mixed).tolist(), FLOOR)
    again = Lists.learn(filled(embeddings, Lists.of(first.state)), range(len(embeddings)), FLOOR)
    assert first.state == other.state == again.state


def test_lists_go_on_from_their_state() -> None:
    rng = np.random.default_rng(3)
    embeddings = crowd(rng, groups=60, each=5)
    lists = Lists.learn(filled(embeddings, Exact()), range(len(embeddings)), FLOOR)
    restored = filled(embeddings, Lists.of(lists.state))
    queries = crowd(rng, groups=40, each=1)
    similarities, rows = lists.search(queries, 8, FLOOR)
    again = restored.search(queries, 8, FLOOR)
    np.testing.assert_array_equal(again[0], similarities)
    np.testing.assert_array_equal(again[1], rows)
    assert Lists.of(lists.state).learned_from == len(embeddings)


def test_no_centre_shows_anybody() -> None:
    """Centres stay in the store when somebody is forgotten."""
    rng = np.random.default_rng(4)
    for count in (3, 50, 400):
        embeddings = units(rng, (count, D))
        lists = Lists.learn(filled(embeddings, Exact()), range(count), FLOOR)
        assert (lists._centres @ embeddings.T).max() < 0.95


def test_recall_is_what_a_plain_search_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_CHECKED", 1)
    rng = np.random.default_rng(5)
    embeddings = crowd(rng, groups=50, each=8)
    lists = Lists(units(rng, (20, D)), probes=1, learned_from=1)
    filled(embeddings, lists)
    assert math.isnan(lists.recall)
    there = hit = 0
    for query in embeddings[:60]:
        wanted = plain(embeddings, query, 8)
        there += len(wanted)
        hit += len(set(wanted) & set(found(lists, query, 8)))
    assert 0 < hit < there
    assert lists.recall == pytest.approx(hit / there)
    assert Exact().recall == 1.0
