"""Identities of the training set that are held out, so that they and not the test choose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from reid_models import Description, build
from train.data import Sample, split_identities
from train.errors import TrainError


class HeldOut(NamedTuple):
    """Training images by what they are used for.

    Attributes:
        train: to learn from.
        query: the first image of each held-out identity in each of its cameras.
        gallery: all held-out images.
    """

    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]


def hold_out(samples: Sequence[Sample], share: float, seed: int) -> HeldOut:
    """Part the identities at random.

    Raises:
        TrainError: fewer than two identities would be on either side, or the held-out ones were
            each seen by one camera only.
    """
    gallery, train = split_identities(samples, share, seed)
    if min(len({sample.identity for sample in part}) for part in (train, gallery)) < 2:
        raise TrainError(
            f"validation: a share of {share:g} leaves fewer than two identities to learn from or "
            "to look at; set validation=null, or another share"
        )
    first: dict[int, dict[int, Sample]] = defaultdict(dict)
    for sample in gallery:
        first[sample.identity].setdefault(sample.camera, sample)
    query = [s for cameras in first.values() if len(cameras) > 1 for s in cameras.values()]
    if not query:
        raise TrainError(
            "validation: none of the held-out identities was seen by two cameras; "
            "set validation=null, or another seed"
        )
    return HeldOut(train, query, gallery)


def with_weights(description: Description, weights: dict[str, Tensor]) -> nn.Module:
    """A network of its own with a copy of the weights."""
    network = build(description.architecture, **description.arguments)
    network.load_state_dict(weights)
    return network
