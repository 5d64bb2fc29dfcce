"""Market-1501's protocol: which images of the gallery are right, wrong or junk for a query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from train.evaluation.features import JUNK, Features, IntArray

Positions = npt.NDArray[np.int64]


class Answers(NamedTuple):
    """To one query: positions in the gallery, ascending; every other image is a wrong answer.

    Attributes:
        good: the same identity in another camera.
        junk: what is skipped, so that the rank does not advance, besides `Sought.junk`.
    """

    good: Positions
    junk: Positions


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
    """Find the answers to each query.

    Args:
        query: what is searched for.
        gallery: identity -1 is junk for every query; identity 0, a distractor, is wrong for all,
            since no query has it.
        other_cameras: all images of the query's camera are junk, other identities' too.
    """
    usable = np.flatnonzero(gallery.identities != JUNK)
    by_identity = Groups(usable, gallery.identities)
    by_camera = Groups(usable, gallery.cameras) if other_cameras else None
    answers = []
    for identity, camera in zip(query.identities.tolist(), query.cameras.tolist(), strict=True):
        own = by_identity.of(identity)
        here = gallery.cameras[own] == camera
        junk = own[here] if by_camera is None else by_camera.of(camera)
        answers.append(Answers(own[~here], junk))
    wrong = sum(len(usable) - len(a.good) - len(a.junk) for a in answers)
    return Sought(answers, np.flatnonzero(gallery.identities == JUNK), wrong)


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
