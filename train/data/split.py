"""A share of the identities."""

from __future__ import annotations

import random
from collections.abc import Sequence

from train.data.dataset import Sample, identities
from train.errors import TrainError


def split_identities(
    samples: Sequence[Sample], share: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """The samples of a share of the identities, and those of the others; both in their order.

    With the same seed, those of a smaller share are among those of a greater one.

    Args:
        share: of the identities, in (0, 1); at least one is taken and one is left.
        seed: of the choice.

    Raises:
        TrainError: there are fewer than two identities.
    """
    people = sorted(identities(samples))
    if len(people) < 2:
        raise TrainError(f"{len(people)} identities cannot be parted in two")
    random.Random(f"identities/{seed}").shuffle(people)  # noqa: S311 - not for secrets
    number = min(max(1, round(share * len(people))), len(people) - 1)
    chosen = set(people[:number])
    return (
        [sample for sample in samples if sample.identity in chosen],
        [sample for sample in samples if sample.identity not in chosen],
    )
