"""Which similarities the matcher should take for the same person, and which for another."""

from __future__ import annotations

from reid_models import Similarities
from train.errors import TrainError
from train.evaluation.blocks import distance_blocks
from train.evaluation.counting import count_ranks
from train.evaluation.features import Features
from train.evaluation.nearest import Smallest
from train.evaluation.protocol import seek

FALSE_ACCEPT = 1e-4  # of the pairs of two persons lie above `accept`: 1 % among a hundred people
FALSE_WAIT = 1e-2  # of them above `new`: one among a hundred people
_EXTREME = 0.9999  # an encoder that finds everybody alike asks for 1, which nobody reaches


def recommend(query: Features, gallery: Features) -> Similarities:
    """Quantiles of the similarities of different people in different cameras; junk is left out.

    Raises:
        TrainError: there are no such people.
    """
    sought = seek(query, gallery, other_cameras=True)
    if not sought.wrong:
        raise TrainError("thresholds need two people in two cameras to learn from")
    nearest = Smallest(int((sought.wrong - 1) * FALSE_WAIT) + 2)
    for block in distance_blocks(query.embeddings, gallery.embeddings, "cosine"):
        count_ranks(block, sought.answers[block.rows], sought.junk, nearest)
    distances = nearest.sorted()

    def similarity(share: float) -> float:
        """Above which this share of the pairs lies, between the two pairs next to it."""
        place = (sought.wrong - 1) * share
        below = int(place)
        pair = distances[below : below + 2]
        found = 1 - float(pair[0] + (place - below) * (pair[-1] - pair[0]))
        return round(max(-_EXTREME, min(found, _EXTREME)), 4)

    return Similarities(accept=similarity(FALSE_ACCEPT), new=similarity(FALSE_WAIT))
