"""From the images of a tracklet to one representation of it.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), chapter 3: 15 images
are sampled, cut in time into 3 groups (beginning, middle, end), each group is averaged, and the
averages are put side by side, so that beginning is compared with beginning.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reid_models.distances import FloatArray
from reid_models.errors import EncoderError

IntArray = npt.NDArray[np.int64]


def sample_frames(length: int, size: int = 15, rng: np.random.Generator | None = None) -> IntArray:
    """Which images of a tracklet to look at: indices (size,) in the order of time.

    Args:
        length: images in the tracklet, at least 1. Of fewer than ``size`` some come repeatedly.
        size: how many to take.
        rng: for random sampling ("R" in table 3.5); without it, evenly over the tracklet ("E"):
            the middle images of ``size`` equal spans of time.

    Raises:
        EncoderError: ``length`` or ``size`` is less than 1.
    """
    if length < 1 or size < 1:
        raise EncoderError(f"cannot sample {size} images of a tracklet of {length}")
    if rng is None:
        return ((2 * np.arange(size) + 1) * length // (2 * size)).astype(np.int64)
    return np.sort(rng.choice(length, size, replace=length < size))


def temporal_partition_pooling(features: FloatArray, groups: int = 3) -> FloatArray:
    """Average each of ``groups`` successive parts of time and put the averages side by side.

    Args:
        features: (..., T, D), in the order of time. Where ``groups`` does not divide T, the
            first groups have one image more.
        groups: 1 to T; 1 is conventional temporal average pooling ("TP" in table 3.5).

    Returns:
        (..., groups * D).

    Raises:
        EncoderError: there are fewer images than groups.
    """
    if features.ndim < 2 or not 1 <= groups <= features.shape[-2]:
        raise EncoderError(
            f"{groups} groups cannot be made of features {features.shape}; they must be "
            "(..., T, D) with at least that many images T"
        )
    parts = np.array_split(features, groups, axis=-2)
    return np.concatenate([part.mean(axis=-2) for part in parts], axis=-1)
