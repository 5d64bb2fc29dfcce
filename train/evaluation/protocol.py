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
    """

    def __init__(self, gallery: Features, other_cameras: bool = False) -> None:
        usable = np.flatnonzero(gallery.identities != JUNK)
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


class Sought(NamedTuple):
    """What all queries look for.

    Attributes:
        answers: (Q,) for each query.
        junk: positions in the gallery that are junk for every query.
        wrong: pairs of a query and a wrong answer.
    """

    answers: list[Answers]
    junk: Positions
    wrong: int


def seek(query: Features, gallery: Features, other_cameras: bool = False) -> Sought:
    """The answers to each query; arguments as of `Protocol`."""
    protocol = Protocol(gallery, other_cameras)
    pairs = zip(query.identities.tolist(), query.cameras.tolist(), strict=True)
    answers = [protocol.answers(*pair) for pair in pairs]
    usable = len(gallery) - len(protocol.junk)
    wrong = sum(usable - len(a.good) - len(a.junk) for a in answers)
    return Sought(answers, protocol.junk, wrong)


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
