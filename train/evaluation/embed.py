"""From an encoder and images to features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from reid_models import Encoder
from train.data import Sample, read_image
from train.errors import TrainError
from train.evaluation.features import Features
from train.evaluation.histogram import colour_histogram

_CHUNK = 256  # images in memory at once, and as many that are being read
_READERS = 4

Images = Sequence[npt.NDArray[np.uint8]]
Progress = Callable[[int], None]


def embed_data(
    encoder: Encoder, samples: Sequence[Sample], progress: Progress = lambda images: None
) -> Features:
    """The samples as the encoder sees them.

    Args:
        encoder: gives the embeddings.
        samples: at least one; the images are read while the encoder works.
        progress: called with the number of images that were done since the last call.

    Raises:
        TrainError: there are no samples, or an image cannot be read.
    """
    return _features(encoder.embed, samples, progress)


def histogram_features(
    samples: Sequence[Sample], progress: Progress = lambda images: None
) -> Features:
    """The samples' colour histograms, of length 1; arguments and errors as of `embed_data`."""
    return _features(
        lambda images: np.stack([colour_histogram(image) for image in images]), samples, progress
    )


def _features(
    embed: Callable[[Images], npt.NDArray[np.float32]],
    samples: Sequence[Sample],
    progress: Progress,
) -> Features:
    if not samples:
        raise TrainError("there are no images to embed: the data set has no test part")
    parts = []
    for images in _read_ahead(samples):
        parts.append(embed(images))
        progress(len(images))
    return Features(
        np.concatenate(parts),
        np.array([sample.identity for sample in samples]),
        np.array([sample.camera for sample in samples]),
    )


def _read_ahead(samples: Sequence[Sample]) -> Iterator[Images]:
    paths = [sample.path for sample in samples]
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(_READERS) as pool:
        coming = pool.map(read_image, chunks[0])
        for following in [*chunks[1:], []]:
            images = list(coming)
            coming = pool.map(read_image, following)
            yield images
