"""How often images of others come between those of one person.

Yan et al., "Beyond Triplet Loss" (2022), section V-C and table I.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from train.errors import TrainError
from train.evaluation.blocks import Metric, distance_blocks
from train.evaluation.features import JUNK, Features
from train.evaluation.protocol import Groups


class ErrorCounts(NamedTuple):
    """Means over the anchors, the images of people who have another image.

    Attributes:
        first: Error-I: images of others that are nearer than the farthest own one.
        second: Error-II: own images that are farther than the nearest one of others.
    """

    first: float
    second: float


def error_counts(images: Features, metric: Metric = "euclidean") -> ErrorCounts:
    """Compare each image with all others, whatever their camera.

    Args:
        images: identity -1 is left out; identity 0 is nobody, but other than everybody.
        metric: ``cosine`` or ``euclidean``.

    Raises:
        TrainError: there is no person with two images.
    """
    usable = images.identities != JUNK
    rows, identities = images.embeddings[usable], images.identities[usable]
    groups = Groups(np.arange(len(rows)), identities)
    first, second = [], []
    for block in distance_blocks(rows, rows, metric):
        for anchor, keys in enumerate(block.keys, block.rows.start):
            members = groups.of(identities[anchor])
            others = members[members != anchor]
            if identities[anchor] == 0 or not len(others):
                continue
            own = keys[others]
            keys[members] = np.inf
            first.append(np.count_nonzero(keys < own.max()))
            second.append(np.count_nonzero(own > keys.min()))
    if not first:
        raise TrainError("errors cannot be counted: no person has two images")
    return ErrorCounts(float(np.mean(first)), float(np.mean(second)))
