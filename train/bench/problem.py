"""A made-up problem of Market-1501's size and make-up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from train.evaluation import Features

# Of the data set: 19,732 images in the gallery, of which these are nobody's.
_DISTRACTORS, _JUNK = 2_793, 3_819
_GALLERY, _IDENTITIES, _CAMERAS = 19_732, 750, 6


class Problem(NamedTuple):
    """Queries and their gallery."""

    query: Features
    gallery: Features


def market_like(queries: int = 3_368, gallery: int = _GALLERY, dimension: int = 2_048) -> Problem:
    """Embeddings (float32) in which people are found as well as a middling encoder finds them.

    Smaller problems keep the shares of distractors and junk and the images an identity has.
    """
    rng = np.random.default_rng(1501)
    share = gallery / _GALLERY
    junk, distractors = round(_JUNK * share), round(_DISTRACTORS * share)
    people = max(2, round(_IDENTITIES * share))
    identities = rng.integers(1, people + 1, gallery)
    identities[:junk] = -1
    identities[junk : junk + distractors] = 0
    rng.shuffle(identities)
    centres = rng.standard_normal((people + 1, dimension), np.float32)

    def features(names: npt.NDArray[np.int64]) -> Features:
        rows = rng.standard_normal((len(names), dimension), np.float32)
        for row, name in zip(rows, names, strict=True):
            if name > 0:
                row += 0.3 * centres[name]
        return Features(rows, names, rng.integers(1, _CAMERAS + 1, len(names)))

    return Problem(features(rng.integers(1, people + 1, queries)), features(identities))
