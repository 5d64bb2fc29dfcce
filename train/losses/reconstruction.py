"""How far a generated image or code is from what it should be.

A. Shah, "Person Re-identification in Surveillance Video" (thesis, 2022), section 4.2. Where that
prints a formula otherwise than it is commonly defined (RMSE, Huber), the common one is meant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.errors import TrainError

_TERM = re.compile(
    r"\s*(?:(?P<weight>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*\*\s*)?(?P<name>[a-z][a-z0-9]*)\s*",
    re.ASCII,
)
_STEEPEST = 1e-6  # difference below which MRAE's slope stays what it is there
_NO_DIRECTION = 1e-8  # length up to which cosine takes a vector for zero


def _l1(x: Tensor, y: Tensor) -> Tensor:
    """Equation 4.5."""
    return (x - y).abs().mean(dim=1)


def _mse(x: Tensor, y: Tensor) -> Tensor:
    """Equation 4.6."""
    return (x - y).square().mean(dim=1)


def _mrae(x: Tensor, y: Tensor) -> Tensor:
    """Equation 4.7. The slope, which is endless at x = y, is 0 there and bounded around it."""
    distance = (x - y).abs()
    root = distance.detach().sqrt()
    sloped = distance / (2 * root.clamp(min=math.sqrt(_STEEPEST)))
    return (root + sloped - sloped.detach()).mean(dim=1)


def _rmse(x: Tensor, y: Tensor) -> Tensor:
    """Equation 4.8, without the root that it prints inside the sum. The gradient at x = y is 0."""
    length: Tensor = torch.linalg.vector_norm(x - y, dim=1)
    return length / math.sqrt(x.shape[1])


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    """1 less equation 4.9, in [0, 2]; 1 and without a gradient where x or y is zero."""
    return 1 - (_direction(x) * _direction(y)).sum(dim=1)


def _direction(x: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    is_zero = length <= _NO_DIRECTION
    return torch.where(is_zero, 0.0, x / length.masked_fill(is_zero, 1.0))


def _multiplicative(x: Tensor, y: Tensor) -> Tensor:
    """Equation 4.10, which is least where either is zero: it fails, as the document reports."""
    return (x * y).square().mean(dim=1)


def _huber(x: Tensor, y: Tensor) -> Tensor:
    """Equation 4.11 of the difference, where it prints the product; delta is 1."""
    return F.huber_loss(x, y, reduction="none").mean(dim=1)


RECONSTRUCTION_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": _l1,
    "mse": _mse,
    "rmse": _rmse,
    "mrae": _mrae,
    "cosine": _cosine,
    "huber": _huber,
    "multiplicative": _multiplicative,
}


class Term(NamedTuple):
    """One loss of a weighted sum; ``name`` is one of `RECONSTRUCTION_LOSSES`, ``weight`` > 0."""

    weight: float
    name: str


def parse_sum(text: str) -> tuple[Term, ...]:
    """The terms of ``l1+rmse`` or ``0.4*l1 + 0.6*cosine``.

    Raises:
        TrainError: a name is unknown, a weight is not above 0, or the text is no such sum.
    """
    terms, place = [], 0
    while True:
        match = _TERM.match(text, place)
        if match is None:
            raise _malformed(text)
        terms.append(_term(match["weight"] or "1", match["name"], text))
        place = match.end()
        if place == len(text):
            return tuple(terms)
        if text[place] != "+":
            raise _malformed(text)
        place += 1


def _term(weight: str, name: str, text: str) -> Term:
    if name not in RECONSTRUCTION_LOSSES:
        raise TrainError(f"reconstruction loss {text!r}: unknown loss {name!r}; {_known()}")
    term = Term(float(weight), name)
    if not 0 < term.weight < math.inf:
        raise TrainError(f"reconstruction loss {text!r}: the weight {weight} must be above 0")
    return term


def _malformed(text: str) -> TrainError:
    return TrainError(
        f"reconstruction loss {text!r}: write a loss or a weighted sum, such as l1+rmse or "
        f"0.4*l1+0.6*cosine; {_known()}"
    )


def _known() -> str:
    return f"known are: {', '.join(RECONSTRUCTION_LOSSES)}"


class ReconstructionLoss(nn.Module):
    """A weighted sum of reconstruction losses, written as text.

    Called with ``(prediction, target)``, both (N, ...) of one shape; each loss is computed over
    all elements of an image or code, then averaged over N. Its gradients are finite where both
    are equal, zero or constant.

    Args:
        text: for example ``l1``, ``l1+rmse`` or ``0.4*l1+0.6*cosine``.

    Raises:
        TrainError: see `parse_sum`.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.terms = parse_sum(text)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"shapes differ: {prediction.shape} and {target.shape}")
        x, y = (_rows(images) for images in (prediction, target))
        losses = [weight * RECONSTRUCTION_LOSSES[name](x, y).mean() for weight, name in self.terms]
        return torch.stack(losses).sum()


def _rows(images: Tensor) -> Tensor:
    """(N, ...) to (N, n), in single precision or better."""
    if images.dtype in (torch.float16, torch.bfloat16):
        images = images.float()
    return images.flatten(start_dim=1)


def reconstruction_loss(text: str) -> ReconstructionLoss:
    """The loss that ``text`` describes; called with ``(prediction, target)``.

    Raises:
        TrainError: see `parse_sum`.
    """
    return ReconstructionLoss(text)
