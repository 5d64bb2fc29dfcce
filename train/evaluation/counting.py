"""Ranks of the right answers by counting what lies before them: nothing is sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from train.evaluation.blocks import Block
from train.evaluation.nearest import Smallest
from train.evaluation.protocol import Answers, Positions


class Found(NamedTuple):
    """Of the P right answers to the queries of a block, query by query.

    Attributes:
        query: (P,) which query.
        rank: (P,) 0-based; junk is skipped, and of equal distances the gallery's first is first.
        distance: (P,).
    """

    query: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]


def count_ranks(
    block: Block, answers: Sequence[Answers], junk: Positions, others: Smallest
) -> Found:
    """Rank the right answers of each row, and give the wrong ones' distances to ``others``.

    Args:
        block: B rows of distances; they are overwritten.
        answers: (B,) of each row.
        junk: positions that are junk for every row.
        others: takes the distances of the wrong answers that it may need.
    """
    ranks, values = [], []
    for row, (good, skipped) in enumerate(answers):
        keys = block.keys[row]
        keys[junk] = np.inf
        keys[skipped] = np.inf
        found = keys[good]
        values.append(found)
        # An equal one counts where it comes earlier; comparing up to oneself would count oneself.
        ranks += [
            np.count_nonzero(keys[:position] <= key) + np.count_nonzero(keys[position + 1 :] < key)
            for position, key in zip(good.tolist(), found, strict=True)
        ]
        keys[good] = np.inf
        scale, shift = block.scale[row], block.shift[row]
        near = keys[keys <= _limit(others.bound, scale, shift, keys.dtype)]
        others.add(shift + scale * near[np.isfinite(near)])
    rows = np.repeat(np.arange(len(answers)), [len(a.good) for a in answers])
    distances = block.shift[rows] + block.scale[rows] * np.concatenate(values)
    return Found(block.rows.start + rows, np.array(ranks, np.int64), distances)


def _limit(
    bound: float, scale: float, shift: float, dtype: npt.DTypeLike
) -> npt.NDArray[np.floating[Any]]:
    """The key of a distance as an array () of the keys' type, rounded upwards."""
    key = np.array((bound - shift) / scale, dtype)
    return np.asarray(np.nextafter(key, np.array(np.inf, dtype)))
