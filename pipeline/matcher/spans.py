"""The spans of what the matcher does with updates: commit them, and decide whose they are."""

from __future__ import annotations

from collections import OrderedDict

from pipeline.records import TrackletKey
from pipeline.store import Batch
from pipeline.telemetry import traces

_MOST = 10_000  # tracklets whose newest update is known


class BatchSpans:
    """One for all batches. A decision stands in the trace of the newest update that it knew."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._newest: OrderedDict[TrackletKey, int] = OrderedDict()

    def committed(self, batch: Batch, began: float, decided: float, now: float) -> None:
        """A batch was read at ``began``, decided on until ``decided``, and is in the store."""
        for update in (received.update for received in batch.updates):
            self._newest[update.key] = update.seq
            self._newest.move_to_end(update.key)
            place = traces.of_update(self._site, update.key, update.seq)
            traces.record("commit", place.within(), began, now, {"seq": update.seq}, parent=place)
        for verdict in batch.outcome.verdicts:
            seq = self._newest.get(verdict.key)
            if seq is None:
                continue
            place = traces.of_update(self._site, verdict.key, seq)
            assignment = verdict.assignment
            told: dict[str, str | int | float | bool] = {
                "tracklet": str(verdict.key),
                "decision": "released" if assignment is None else str(assignment.decision),
                "rule": str(verdict.reason.get("rule", "")),
            }
            traces.record("decision", place.within(), began, decided, told, parent=place)
        while len(self._newest) > _MOST:
            self._newest.popitem(last=False)
