"""Who recognises generated people."""

from __future__ import annotations

import numpy as np
import pytest

from tests.train.generation.colours import colour_encoder, plain
from train.errors import TrainError
from train.generation.consistency import identity_consistency

GALLERY = [plain(250, 60, 60), plain(60, 250, 60), plain(60, 60, 250), plain(240, 50, 70)]
IDENTITIES = [5, 9, 2, 5]


def test_counts_the_images_whose_nearest_person_is_the_appearance() -> None:
    generated = [plain(255, 40, 40), plain(40, 255, 40), plain(40, 40, 255), plain(30, 30, 240)]
    found = identity_consistency(colour_encoder(), generated, [5, 9, 2, 9], GALLERY, IDENTITIES)
    assert (found.recognised, found.images) == (0.75, 4)


def test_nothing_to_recognise_and_strangers() -> None:
    with pytest.raises(TrainError, match="no generated images"):
        identity_consistency(colour_encoder(), [], [], GALLERY, IDENTITIES)
    stranger = [np.asarray(GALLERY[0])]
    with pytest.raises(TrainError, match=r"identities \[7\]"):
        identity_consistency(colour_encoder(), stranger, [7], GALLERY, IDENTITIES)
