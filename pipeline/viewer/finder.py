"""Who is on a picture: the site's own detector and encoder, loaded when they are first needed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.records import Detections, FloatArray, Image

if TYPE_CHECKING:
    from pipeline.inference.detector import Detector
    from pipeline.inference.encoder import EncoderRuntime

_WAIT_SECONDS = 20.0


class BusyError(CamtrailError):
    """Others are searching."""


@dataclass(frozen=True)
class _Networks:
    detector: Detector
    encoder: EncoderRuntime


class Finder:
    """One picture at a time: the cores belong to the cameras. For any number of threads."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._networks: _Networks | None = None

    def persons(self, picture: Image) -> Detections:
        """Those on a picture (BGR uint8 H x W x 3), from left to right.

        Raises:
            CamtrailError: the networks cannot be used.
            BusyError: others are searching.
        """
        with _Turn(self._lock):
            found = self._loaded().detector.detect([picture])[0]
        order = np.argsort(found.boxes[:, 0], kind="stable")
        return Detections(found.boxes[order], found.confidences[order])

    def embed(self, crop: Image, fingerprint: str) -> FloatArray:
        """The embedding (D,) of a person's picture (BGR uint8 H x W x 3).

        Args:
            fingerprint: of the encoder that it is to be compared with.

        Raises:
            CamtrailError: the networks cannot be used, or the encoder is another one.
            BusyError: others are searching.
        """
        with _Turn(self._lock):
            encoder = self._loaded().encoder
            if fingerprint and encoder.fingerprint != fingerprint:
                self._networks = None  # its file may have been replaced since
                encoder = self._loaded().encoder
            if fingerprint and encoder.fingerprint != fingerprint:
                raise CamtrailError(
                    f"{self._site.encoder.path}: this is not the encoder whose embeddings the "
                    "store has; pictures cannot be compared"
                )
            return np.asarray(encoder.embed([crop])[0])

    def threshold(self) -> float | None:
        """The similarity midway between the same and another person: by `site.yaml`, else as the
        encoder's file recommends; None where neither says it.
        """
        matcher = self._site.matcher
        if matcher.accept is not None and matcher.new is not None:
            return (matcher.accept + matcher.new) / 2
        with _Turn(self._lock):
            return self._loaded().encoder.line

    def _loaded(self) -> _Networks:
        if self._networks is None:
            from pipeline.inference import threads
            from pipeline.inference.detector import Detector
            from pipeline.inference.encoder import EncoderRuntime

            mine = threads.share(len(self._site.cameras))
            threads.apply(mine)
            self._networks = _Networks(
                Detector(self._site.detector, mine), EncoderRuntime(self._site.encoder, mine)
            )
        return self._networks


class _Turn:
    """Waits for one's turn, but not for ever."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise BusyError("others are searching; try again in a moment")

    def __exit__(self, *_: object) -> None:
        self._lock.release()
