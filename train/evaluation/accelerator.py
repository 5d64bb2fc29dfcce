"""`distance_blocks` and `count_ranks` on an accelerator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.evaluation.blocks import Metric, Product, row_slices
from train.evaluation.counting import Found
from train.evaluation.features import FloatArray
from train.evaluation.nearest import Smallest
from train.evaluation.protocol import Answers, Positions

_GATHERED = 1 << 24  # keys compared at once, beside the block itself
_ROWS = 64  # whose wrong answers are looked through at once


@dataclass(frozen=True)
class DeviceBlock:
    """See `train.evaluation.blocks.Block`; ``keys`` lie on the device."""

    rows: slice
    keys: Tensor
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]


def device_blocks(
    query: FloatArray, gallery: FloatArray, metric: Metric, device: str
) -> Iterator[DeviceBlock]:
    """See `distance_blocks`; the whole gallery must fit on the device."""
    product = Product(query, gallery, metric)

    def there(values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    right = there(product.gallery)
    lengths, squares = there(product.lengths), there(product.squares)
    for rows in row_slices(*product.shape):
        keys = there(product.left(rows)) @ right.T
        if metric == "cosine":
            keys /= lengths
        else:
            keys += squares
        product.twins.equalise(keys)
        yield DeviceBlock(rows, keys, *product.scale_and_shift(rows))


def count_ranks_on_device(
    block: DeviceBlock, answers: Sequence[Answers], junk: Positions, others: Smallest
) -> Found:
    """See `count_ranks`."""
    keys = block.keys

    def there(values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(keys.device)

    rows = np.repeat(np.arange(len(answers)), [len(a.good) for a in answers])
    skipping = np.repeat(np.arange(len(answers)), [len(a.junk) for a in answers])
    row, good = there(rows), there(np.concatenate([a.good for a in answers]))
    keys[:, there(junk)] = math.inf
    keys[there(skipping), there(np.concatenate([a.junk for a in answers]))] = math.inf
    found = keys[row, good]
    ranks = _ranks(keys, row, good, found).cpu().numpy()
    distances = block.shift[rows] + block.scale[rows] * found.cpu().numpy()
    keys[row, good] = math.inf
    for start in range(0, len(keys), _ROWS):
        _give(block, slice(start, start + _ROWS), others)
    return Found(block.rows.start + rows, ranks, distances)


def _ranks(keys: Tensor, row: Tensor, good: Tensor, found: Tensor) -> Tensor:
    """(P,) how many keys of each row lie before that of the good one, or equal it earlier."""
    columns = torch.arange(keys.shape[1], device=keys.device)
    step = max(1, _GATHERED // keys.shape[1])
    counts = [torch.zeros(0, dtype=torch.int64, device=keys.device)]
    for start in range(0, len(row), step):
        part = slice(start, start + step)
        theirs, key = keys[row[part]], found[part, None]
        earlier = columns < good[part, None]
        counts.append(((theirs < key) | (earlier & (theirs == key))).sum(dim=1))
    return torch.cat(counts)


def _give(block: DeviceBlock, rows: slice, others: Smallest) -> None:
    scale, shift = block.scale[rows], block.shift[rows]
    keys = block.keys[rows]
    limit = torch.from_numpy((others.bound - shift) / scale).to(keys)
    limit = torch.nextafter(limit, torch.full_like(limit, math.inf))  # rounded upwards
    row, column = torch.nonzero((keys <= limit[:, None]) & torch.isfinite(keys), as_tuple=True)
    near, place = keys[row, column].cpu().numpy(), row.cpu().numpy()
    others.add(shift[place] + scale[place] * near)
