"""The assignment against trying out all."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.matcher.assignment import assign


@given(st.lists(st.dictionaries(st.integers(1, 4), st.integers(1, 100)), max_size=4))
def test_no_assignment_is_worth_more(gains: list[dict[int, int]]) -> None:
    result = assign(gains)
    taken = [column for column in result if column is not None]
    assert len(taken) == len(set(taken))
    assert all(c is None or c in row for c, row in zip(result, gains, strict=True))
    worth = sum(row[c] for c, row in zip(result, gains, strict=True) if c is not None)
    best = 0
    for choice in itertools.product([None, 1, 2, 3, 4], repeat=len(gains)):
        used = [c for c in choice if c is not None]
        if len(used) == len(set(used)):
            total = sum(row.get(c, -1000) for c, row in zip(choice, gains, strict=True) if c)
            best = max(best, total)
    assert worth == best
