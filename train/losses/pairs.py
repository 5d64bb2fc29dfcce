"""What the metric losses share: distances within a batch, and its hardest pairs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def euclidean_distances(embeddings: Tensor) -> Tensor:
    """(N, D) to (N, N), in single precision or better; the gradient at a distance of 0 is 0."""
    if embeddings.dtype in (torch.float16, torch.bfloat16):
        embeddings = embeddings.float()
    # The matrix-product shortcut of cdist loses the small distances that matter most here.
    return torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")


class Hardest(NamedTuple):
    """Of the A anchors that have another image of their own identity and one of another.

    Attributes:
        own: (A,) distances of the farthest image of the anchor's identity.
        other: (A,) distances of the nearest image of another identity.
    """

    own: Tensor
    other: Tensor


class Places(NamedTuple):
    """Of the A anchors that have another image of their own identity and one of another.

    Attributes:
        anchors: (A,) places in the batch.
        own: (A,) place of the farthest image of the anchor's identity.
        other: (A,) place of the nearest image of another identity.
    """

    anchors: Tensor
    own: Tensor
    other: Tensor


def hardest_places(distances: Tensor, labels: Tensor) -> Places:
    """As `hardest_pairs`, but which they are; of equal ones any."""
    same, usable = _same_and_usable(labels)
    own = distances.masked_fill(~same, float("-inf")).argmax(dim=1)
    other = distances.masked_fill(same, float("inf")).argmin(dim=1)
    return Places(usable.nonzero()[:, 0], own[usable], other[usable])


def hardest_pairs(distances: Tensor, labels: Tensor) -> Hardest:
    """From (N, N) distances and (N,) labels; ties share the gradient."""
    same, usable = _same_and_usable(labels)
    own = distances.masked_fill(~same, float("-inf")).amax(dim=1)
    other = distances.masked_fill(same, float("inf")).amin(dim=1)
    return Hardest(own[usable], other[usable])


def _same_and_usable(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(N, N) whether two are of one identity, and (N,) whether an anchor has both kinds."""
    same = labels[:, None] == labels[None, :]
    oneself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same, (same & ~oneself).any(dim=1) & ~same.all(dim=1)
