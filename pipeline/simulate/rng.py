"""Independent random streams from one seed."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the names only, so that adding a draw in one
    place (a camera, a person) never changes what another place draws."""
    tags = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
    return np.random.default_rng([seed, *tags])
