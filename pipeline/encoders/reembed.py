"""Embeds the kept crops of tracklets anew, for a gallery of another encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.config import Site
from pipeline.inference import threads
from pipeline.inference.encoder import EncoderRuntime
from pipeline.keyring import Keyring
from pipeline.matcher.repair import MOST
from pipeline.privacy.crops import is_blurred
from pipeline.records import FloatArray, Image
from pipeline.store import Store, Unembedded

_TOGETHER = 16  # tracklets a transaction: others write to the store meanwhile
_LEAST_WEIGHT = 1e-3  # of a crop of quality 0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reembedded:
    """How many tracklets were embedded, and how many could not be: no crop of them is left, or
    whole persons are hidden in them.
    """

    tracklets: int
    without_crops: int


def reembed(
    store: Store, encoder: EncoderRuntime, keyring: Keyring, progress: Progress
) -> Reembedded:
    """Embeds what the gallery needs and this encoder has not seen; safe to do again.

    Args:
        progress: is told how many tracklets are done, and of how many.

    Raises:
        SealedError: a crop cannot be decrypted.
    """
    waiting = store.unembedded(encoder.fingerprint, MOST)
    done = 0
    for first in range(0, len(waiting), _TOGETHER):
        part = waiting[first : first + _TOGETHER]
        pooled = {tracklet.tracklet: _pool(tracklet, encoder, keyring) for tracklet in part}
        found = {tracklet: vector for tracklet, vector in pooled.items() if vector is not None}
        if found:
            store.keep_embeddings(encoder.fingerprint, found)
        done += len(found)
        progress(first + len(part), len(waiting))
    return Reembedded(done, len(waiting) - done)


def change_over(site: Site) -> Reembedded:
    """Makes the gallery that of the site's encoder; run it where no matcher does.

    Raises:
        CamtrailError: the encoder, or the key of the crops, cannot be used.
    """
    keyring = Keyring.of(site.encryption)
    mine = threads.share(1)
    threads.apply(mine)
    encoder = EncoderRuntime(site.encoder, mine)
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        result = reembed(store, encoder, keyring, lambda _done, _total: None)
        store.change_encoder(encoder.fingerprint)
    return result


def _pool(tracklet: Unembedded, encoder: EncoderRuntime, keyring: Keyring) -> FloatArray | None:
    """The mean of the crops' embeddings (D,), weighted by quality as in a camera's worker."""
    pictures, weights = _pictures(tracklet.crops, keyring)
    if not pictures:
        return None
    mean = np.array(weights, np.float32) @ encoder.embed(pictures)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _pictures(
    crops: Sequence[tuple[Path, float]], keyring: Keyring
) -> tuple[list[Image], list[float]]:
    """The crops that can be read and show somebody, and their weights."""
    pictures, weights = [], []
    for file, quality in crops:
        try:
            data = keyring.read(file)
        except OSError:
            continue
        if not data or is_blurred(data, "persons"):
            continue
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is not None:
            pictures.append(np.asarray(picture, np.uint8))
            weights.append(max(quality, _LEAST_WEIGHT))
    return pictures, weights
