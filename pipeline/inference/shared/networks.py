"""Detector and encoder as the inference process runs them, for the pictures of several cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference import threads
from pipeline.inference.detector import Detector
from pipeline.inference.encoder import EncoderRuntime
from pipeline.inference.shared.client import AT_ONCE
from pipeline.inference.shared.messages import Kind, Welcome, settings_digest
from pipeline.records import FloatArray, Image

_TOGETHER = {Kind.DETECT: 16, Kind.EMBED: 64}
_LANES = 2  # on a GPU: one computes on the processor while the other waits for the GPU
_PATIENCE = 0.003  # seconds; far less than a camera's picture lasts


class SharedNetworks:
    """The networks, and how many threads use them at once.

    On a processor every core has a network of its own and takes pictures one by one: threads
    within one network wait for each other, and a batch is no faster than its pictures. So the
    results are, to the bit, those of a camera's own networks with one thread. On a GPU pictures go
    together.

    Attributes:
        lanes: threads that may call `run` at a time; each calls `prepare_thread` first.
        most: pictures of each kind that go together.
        patience: seconds that a picture may wait for others.

    Raises:
        CamtrailError: the detector or the encoder cannot be used.
    """

    def __init__(self, site: config.Site) -> None:
        cores = threads.share(1)
        threads.apply(cores)
        self._detector = Detector(site.detector, cores)
        if self._detector.shape is not None:
            raise CamtrailError(
                f"{site.detector.weights}: takes pictures of one size alone, which the cameras of "
                "`inference: shared` do not share; export one that takes any size"
            )
        self._on_processor = self._detector.device == "cpu"
        at_once = min(self._detector.at_once, _under_way(site))
        self.lanes = at_once if self._on_processor else _LANES
        self._threads = max(1, cores // self.lanes)
        self._share = self._detector.share(self.lanes)
        self._encoder = EncoderRuntime(site.encoder, self._threads)
        self.most: Mapping[Kind, int] = dict.fromkeys(Kind, 1) if self._on_processor else _TOGETHER
        self.patience = 0.0 if self._on_processor else _PATIENCE
        height, width = self._encoder.size
        self.welcome = Welcome(
            settings=settings_digest(site),
            size=self._detector.size,
            stride=self._detector.stride,
            fingerprint=self._encoder.fingerprint,
            dimension=self._encoder.dimension,
            line=self._encoder.line,
            crop_height=height,
            crop_width=width,
        )

    @property
    def device(self) -> str:
        """Where the detector runs."""
        return self._detector.device

    def prepare_thread(self) -> None:
        """Gives the calling thread its share of the processor."""
        torch.set_num_threads(self._threads)
        self._share()

    def run(self, kind: Kind, requests: Sequence[Image]) -> list[FloatArray]:
        """Of each request's pictures (n, h, w, 3), all of one size, the result.

        That of `Kind.DETECT` is as of `Detector.find` on the one picture that it has, that of
        `Kind.EMBED` the embeddings (n, D).
        """
        if kind is Kind.DETECT:
            return self._detector.find(np.concatenate(requests))
        embeddings = self._encoder.embed([crop for crops in requests for crop in crops])
        ends = np.cumsum([len(crops) for crops in requests])
        return np.split(embeddings, ends[:-1])


def _under_way(site: config.Site) -> int:
    """How many pictures the cameras have looked at, at most, at a time."""
    return sum(1 if camera.live else AT_ONCE for camera in site.cameras.values())
