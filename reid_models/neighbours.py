"""The nearest rows of each row, found exactly, on the processor or on an accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reid_models.distances import FloatArray, Twins, find_twins, squared_euclidean

if TYPE_CHECKING:
    from torch import Tensor

IntArray = npt.NDArray[np.int64]
BLOCK = 1 << 24  # distances at once, 64 MB in float32
_SAMPLED = 8  # of so many columns one bounds what can be among the smallest of a row


def nearest(rows: FloatArray, count: int, device: str | None = None) -> tuple[IntArray, FloatArray]:
    """The nearest rows of each row, itself first and ties in the order of the rows.

    Args:
        rows: (N, D).
        count: how many, itself among them; at most N.
        device: of torch, where all rows must fit beside a block of distances; None: numpy, which
            on some processors multiplies faster than torch.

    Returns:
        The numbers of the rows (N, count), and each row's largest squared distance (N,).
    """
    if device is None:
        return _by_numpy(rows, count)
    return _by_torch(rows, count, device)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a matrix in pieces of `BLOCK` elements."""
    step = max(1, BLOCK // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _by_numpy(rows: FloatArray, count: int) -> tuple[IntArray, FloatArray]:
    total, twins = len(rows), find_twins(rows)
    order = np.empty((total, count), np.int64)
    largest = np.empty(total, rows.dtype)
    for part in row_blocks(total, total):
        block = squared_euclidean(rows[part], rows)
        twins.equalise(block)
        largest[part] = block.max(axis=1)
        block[np.arange(len(block)), np.arange(part.start, part.stop)] = -1
        order[part] = _smallest(block, count)
    return order, largest


def _smallest(block: FloatArray, count: int) -> IntArray:
    """What a stable sort puts first in each row, without sorting what lies behind it."""
    sample = block[:, ::_SAMPLED] if count * _SAMPLED <= block.shape[1] else block
    # The count-th smallest of some is no smaller than that of all, and costs an eighth to find.
    limit = np.partition(sample, count - 1, axis=1)[:, count - 1, None]
    result = np.empty((len(block), count), np.int64)
    for index, candidates in enumerate(block <= limit):
        found = np.flatnonzero(candidates)  # in order, and all that tie with the last
        result[index] = found[np.argsort(block[index, found], kind="stable")[:count]]
    return result


def _by_torch(rows: FloatArray, count: int, device: str) -> tuple[IntArray, FloatArray]:
    import torch  # late: the processes that search with numpy alone do without it

    twins: Twins = find_twins(rows)
    there = torch.from_numpy(np.ascontiguousarray(rows)).to(device)
    squares = (there * there).sum(dim=1)
    order, largest = [], []
    for part in row_blocks(len(rows), len(rows)):
        block = torch.addmm(squares[None], there[part], there.T, alpha=-2)
        block = block.add_(squares[part, None]).clamp_(min=0)
        twins.equalise(block)
        largest.append(block.amax(dim=1))
        numbers = torch.arange(part.start, part.stop, device=device)
        block[numbers - part.start, numbers] = -1
        order.append(_smallest_of(block, count))
    return torch.cat(order).cpu().numpy(), torch.cat(largest).cpu().numpy()


def _smallest_of(block: Tensor, count: int) -> Tensor:
    """What a stable sort puts first in each row of (B, N): (B, count)."""
    values, places = block.topk(count, dim=1, largest=False)
    # Of distances that tie with the last one topk takes any, so those rows are sorted whole.
    tied = (block <= values[:, -1:]).sum(dim=1) > count
    if tied.any():
        places[tied] = block[tied].sort(dim=1, stable=True).indices[:, :count]
        values[tied] = block[tied].gather(1, places[tied])
    places, first = places.sort(dim=1)  # by number, then stably by distance
    return places.gather(1, values.gather(1, first).sort(dim=1, stable=True).indices)
