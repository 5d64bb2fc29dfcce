"""Files that hold the same image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from train.data import Sample


def count_copies(samples: Sequence[Sample]) -> int:
    """How many of the images are, byte for byte, copies of an earlier one; unreadable ones are
    none."""
    seen, copies = set(), 0
    for sample in samples:
        try:
            digest = hashlib.sha256(sample.path.read_bytes()).digest()
        except OSError:
            continue
        copies += digest in seen
        seen.add(digest)
    return copies
