"""What the evaluation compares: embeddings with their labels, single or pooled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from train.errors import TrainError

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

JUNK = -1  # identity of what is neither a right nor a wrong answer


@dataclass(frozen=True)
class Features:
    """Images as the evaluation sees them.

    Attributes:
        embeddings: (N, D) finite floats, of any length.
        identities: (N,) integers; in a gallery -1 is junk and 0 a distractor.
        cameras: (N,) integers.
    """

    embeddings: FloatArray
    identities: IntArray
    cameras: IntArray

    def __post_init__(self) -> None:
        count = len(self.embeddings)
        if self.embeddings.ndim != 2:
            raise TrainError(f"embeddings must be (N, D), not {self.embeddings.shape}")
        if self.identities.shape != (count,) or self.cameras.shape != (count,):
            raise TrainError(
                f"{count} embeddings need as many identities and cameras, "
                f"not {self.identities.shape} and {self.cameras.shape}"
            )
        if not np.isfinite(self.embeddings).all():
            raise TrainError("embeddings must be finite numbers")

    def __len__(self) -> int:
        return len(self.embeddings)


def multi_query(query: Features, gallery: Features) -> Features:
    """Market-1501's multi-query protocol: one query a person and camera, made of all its images.

    Each is the mean of the embeddings, as they come, of the person's images in that camera: those
    of ``query`` and those of ``gallery``, which are junk for that query and so betray nothing.
    (The data set's own protocol takes the latter from its hand-drawn boxes.)

    Returns:
        A query for each pair of identity and camera of ``query``, in the order of the first.
    """
    wanted = {*_keys(query)}
    own = np.array([key in wanted for key in _keys(gallery)], bool)
    both = Features(
        np.concatenate([query.embeddings, gallery.embeddings[own]]),
        np.concatenate([query.identities, gallery.identities[own]]),
        np.concatenate([query.cameras, gallery.cameras[own]]),
    )
    return _pool(both, _keys(both))


def pool_tracklets(images: Features, tracklets: Sequence[Hashable]) -> Features:
    """The mean embedding of each tracklet, in the order of the tracklets' first images.

    Args:
        images: of N images.
        tracklets: (N,) names, unique within one identity and camera.

    Raises:
        TrainError: an image has no tracklet (None).
    """
    if len(tracklets) != len(images):
        raise TrainError(f"{len(images)} images need as many tracklets, not {len(tracklets)}")
    if any(tracklet is None for tracklet in tracklets):
        raise TrainError(
            "these images do not say which tracklet they are of; "
            "measure image to image, or use a data set of tracklets (for example MARS)"
        )
    return _pool(images, list(zip(_keys(images), tracklets, strict=True)))


def _keys(features: Features) -> list[tuple[int, int]]:
    return list(zip(features.identities.tolist(), features.cameras.tolist(), strict=True))


def _pool(features: Features, keys: Sequence[Hashable]) -> Features:
    """The mean of the embeddings of each key; identity and camera are those of its first image."""
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
    first = np.unique(group, return_index=True)[1]
    sums = np.zeros((len(numbers), features.embeddings.shape[1]))
    np.add.at(sums, group, features.embeddings)
    means = sums / np.bincount(group)[:, None]
    return Features(
        means.astype(features.embeddings.dtype),
        features.identities[first],
        features.cameras[first],
    )
