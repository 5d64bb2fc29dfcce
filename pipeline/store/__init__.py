"""The durable record of a site: every update exactly once, identities, decisions, crops.

One process writes (the matcher); any number read at the same time, also while nothing runs:

>>> store = Store.open(site.store_url, read_only=True)
>>> [person.identity for person in store.identities()]
[1, 2, 3]
"""

from pipeline.store.changes import Said
from pipeline.store.embeddings import Unembedded
from pipeline.store.rows import (
    CONFIDENCE,
    Batch,
    CameraRecord,
    Change,
    Correction,
    Decided,
    Holding,
    IdentityDetail,
    IdentitySummary,
    Link,
    Move,
    Outcome,
    Received,
    RunState,
    Saying,
    StoreCounts,
    StoredCrop,
    StoredPrototype,
    StoredTracklet,
    StoredVisit,
    TrackRow,
    Verdict,
    Visit,
)
from pipeline.store.snapshot import Snapshot
from pipeline.store.store import Store

__all__ = [
    "CONFIDENCE",
    "Batch",
    "CameraRecord",
    "Change",
    "Correction",
    "Decided",
    "Holding",
    "IdentityDetail",
    "IdentitySummary",
    "Link",
    "Move",
    "Outcome",
    "Received",
    "RunState",
    "Said",
    "Saying",
    "Snapshot",
    "Store",
    "StoreCounts",
    "StoredCrop",
    "StoredPrototype",
    "StoredTracklet",
    "StoredVisit",
    "TrackRow",
    "Unembedded",
    "Verdict",
    "Visit",
]
