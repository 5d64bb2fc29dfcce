"""The networks of a camera's process: its own, or those that it shares with the others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline import config
from pipeline.inference import threads
from pipeline.inference.pool import PersonDetector
from pipeline.inference.shared.client import Client, SharedDetector, SharedEncoder
from pipeline.records import FloatArray, Image


class CropEncoder(Protocol):
    """What embeds crops, here or elsewhere; see `EncoderRuntime`."""

    fingerprint: str
    line: float | None

    def embed(self, crops: Sequence[Image]) -> FloatArray: ...


@dataclass(frozen=True)
class Networks:
    """What finds persons, and what tells them apart."""

    detector: PersonDetector
    encoder: CropEncoder


@contextlib.contextmanager
def open_networks(site: config.Site, camera: str, stop: threading.Event) -> Iterator[Networks]:
    """Those that ``inference`` in ``site.yaml`` chooses; limits the threads of this process.

    Raises:
        CamtrailError: detector or encoder cannot be used.
        StoppedError: ``stop`` was set while there was no inference process.
    """
    if site.inference == "shared":
        threads.apply_without_networks()
        with contextlib.closing(Client(site, camera, stop)) as client:
            yield Networks(SharedDetector(client), SharedEncoder(client, site.encoder.batch))
    else:
        # Only here: who shares the networks of another process does not load torch.
        from pipeline.inference.detector import Detector
        from pipeline.inference.encoder import EncoderRuntime

        mine = threads.share(len(site.cameras))
        threads.apply(mine)
        yield Networks(Detector(site.detector, mine), EncoderRuntime(site.encoder, mine))
