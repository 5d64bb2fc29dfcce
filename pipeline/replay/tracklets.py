"""The tracklets of a recording, whoever they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from pipeline.records import Envelope, Path, TrackletKey, TrackletUpdate
from pipeline.store import TrackRow


def whole_tracklets(messages: Iterable[Envelope]) -> list[TrackRow]:
    """The whole path of each, by key, without an identity."""
    parts: defaultdict[TrackletKey, list[Path]] = defaultdict(list)
    for envelope in messages:
        if isinstance(envelope.body, TrackletUpdate):
            parts[envelope.body.key].append(envelope.body.path)
    return [
        TrackRow(
            key=key,
            identity=None,
            decided_at=None,
            times=np.concatenate([path.times for path in paths]),
            frames=np.concatenate([path.frames for path in paths]),
            boxes=np.concatenate([path.boxes for path in paths]),
        )
        for key, paths in sorted(parts.items())
    ]
