"""Market-1501's protocol: which images of the gallery are right, wrong or junk for a query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from train.evaluation.features import JUNK, Features, IntArray

Positions = npt.NDArray[np.int64]


class Answers(NamedTuple):
    """Positions in the gallery, ascending; every other image is a wrong answer.

    Attributes:
        good: the same identity in another camera.
        junk: what is skipped, so that the rank does not advance, besides `Protocol.junk`.
    """

    good: Positions
    junk: Positions


class Protocol:
    """Answers for the queries of one gallery.

    Args:
        gallery: identity -1 is junk for every query; identity 0, a distractor, is always wrong.
        other_cameras: all images of the query's camera are junk, other identities' too.

    Attributes:
        junk: positions that are junk for every query.
        size: of the gallery.
    """

    def __init__(self, gallery: Features, other_cameras: bool = False) -> None:
        usable = np.flatnonzero(gallery.identities != JUNK)
        self.size = len(gallery)
        self.junk = np.flatnonzero(gallery.identities == JUNK)
        self._cameras = gallery.cameras
        self._by_identity = Groups(usable, gallery.identities)
        self._by_camera = Groups(usable, gallery.cameras) if other_cameras else None

    def answers(self, identity: int, camera: int) -> Answers:
        """Of a query of this identity in this camera."""
        own = self._by_identity.of(identity)
        here = self._cameras[own] == camera
        junk = own[here] if self._by_camera is None else self._by_camera.of(camera)
        return Answers(own[~here], junk)


class Groups:
    """The positions of each label, ascending."""

    def __init__(self, positions: Positions, labels: IntArray) -> None:
        order = np.argsort(labels[positions], kind="stable")
        self._positions = positions[order]
        self._labels = labels[self._positions]

    def of(self, label: int) -> Positions:
        start = np.searchsorted(self._labels, label, "left")
        stop = np.searchsorted(self._labels, label, "right")
        return self._positions[start:stop]
