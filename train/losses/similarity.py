"""What the contrastive losses share: cosine similarities, in single precision or better."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def unit_rows(rows: Tensor) -> Tensor:
    """Rows (N, D) scaled to length 1."""
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    return F.normalize(rows, dim=1)


def cosines(rows: Tensor, others: Tensor) -> Tensor:
    """Of each row (N, D) with each of the others (M, D): (N, M)."""
    return unit_rows(rows) @ unit_rows(others).T


def checked_temperature(value: float) -> float:
    """``value``; raises `ValueError` where it is not above 0."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"temperature must be above 0, not {value}")
    return value
