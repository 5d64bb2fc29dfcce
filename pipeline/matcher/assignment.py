"""Joint assignment: each tracklet at most one identity, each identity at most one tracklet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment


def assign(gains: Sequence[Mapping[int, float]]) -> list[int | None]:
    """The assignment of the greatest total gain (Hungarian algorithm).

    Args:
        gains: for each row, what each column (an identity) that it may take is worth (> 0).

    Returns:
        For each row its column, or None.
    """
    columns = sorted({column for row in gains for column in row})
    if not columns:
        return [None] * len(gains)
    place = {column: j for j, column in enumerate(columns)}
    matrix = np.zeros((len(gains), len(columns)))
    for i, row in enumerate(gains):
        for column, gain in row.items():
            matrix[i, place[column]] = gain
    result: list[int | None] = [None] * len(gains)
    for i, j in zip(*linear_sum_assignment(matrix, maximize=True), strict=True):
        if columns[j] in gains[i]:
            result[i] = columns[j]
    return result
