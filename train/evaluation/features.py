"""What the evaluation compares: embeddings with their labels, single or pooled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


def join(first: Features, second: Features) -> Features:
    """All images of both, in their order."""
    return Features(
        np.concatenate([first.embeddings, second.embeddings]),
        np.concatenate([first.identities, second.identities]),
        np.concatenate([first.cameras, second.cameras]),
    )


class Pooled(NamedTuple):
    """Means of embeddings, as they come, of groups of images.

    Attributes:
        features: one for each group, in the order of the groups' first images.
        first: position of each group's first image.
    """

    features: Features
    first: npt.NDArray[np.int64]


def multi_query(query: Features, gallery: Features) -> Pooled:
    """Market-1501's multi-query protocol: one query a person and camera, made of all its images.

    These are the person's images in that camera in ``query`` and those in ``gallery``, which are
    junk for that query and so betray nothing. (The data set's own protocol takes the latter from
    its hand-drawn boxes.) There is a query for each identity and camera of ``query``.
    """
    wanted = {*_keys(query)}
    own = np.array([key in wanted for key in _keys(gallery)], bool)
    theirs = Features(gallery.embeddings[own], gallery.identities[own], gallery.cameras[own])
    both = join(query, theirs)
    return _pool(both, _keys(both))


def pool_tracklets(images: Features, tracklets: Sequence[Hashable]) -> Pooled:
    """The mean of each tracklet.

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


def _pool(images: Features, keys: Sequence[Hashable]) -> Pooled:
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
    first = np.unique(group, return_index=True)[1]
    sums = np.zeros((len(numbers), images.embeddings.shape[1]))
    np.add.at(sums, group, images.embeddings)
    means = (sums / np.bincount(group)[:, None]).astype(images.embeddings.dtype)
    return Pooled(Features(means, images.identities[first], images.cameras[first]), first)
