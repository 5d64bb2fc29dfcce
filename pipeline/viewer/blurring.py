"""Clips for those who may not see people clearly: made when they are asked for, kept in memory."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict

from pipeline.config import Hidden, Site
from pipeline.privacy.clips import blurred_clip
from pipeline.viewer.footage import LONGEST_PIECE, Footage, Piece
from pipeline.viewer.presence import presence
from pipeline.viewer.records import Records

LONGEST_BLURRED = 10.0  # seconds of a clip: each picture is decoded and encoded before it is shown

_KEPT = 6  # clips: a browser asks for one in parts
_DAY = 86_400.0

_Made = tuple[str, Piece, Hidden, tuple[tuple[float, float], ...], int]


class Blurring:
    """One clip at a time: the cores belong to the cameras. For any number of threads."""

    def __init__(self, site: Site, records: Records) -> None:
        self._site = site
        self._records = records
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Made, bytes] = OrderedDict()

    def clip(self, camera: str, footage: Footage, piece: Piece, what: Hidden) -> bytes:
        """The clip of a piece with everybody hidden in it.

        Raises:
            NothingRecordedError: it is not there any more.
        """
        days = self._site.retention.tracklets_days
        since = -math.inf if days is None else time.time() - days * _DAY
        live = self._site.cameras[camera].live
        engine = self._records.engine
        where = presence(engine, camera, *piece, live=live, since=since)
        # A clip that was made when less was known is made again.
        spans = tuple(
            (max(begin, piece.start), min(end, piece.end))
            for begin, end in where.known
            if begin <= piece.end and end >= piece.start
        )
        made = (camera, piece, what, spans, sum(len(path) for path in where.paths))
        with self._lock:
            if made not in self._kept:
                self._kept[made] = blurred_clip(footage.clip(piece), piece.start, where, what)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(made)
            return self._kept[made]


def longest_piece(what: Hidden) -> float:
    """Seconds of a clip."""
    return LONGEST_PIECE if what == "none" else LONGEST_BLURRED
