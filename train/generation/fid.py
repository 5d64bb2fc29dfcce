"""Fréchet distances between real and generated images: how real the generated ones look.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium" (2017), equation 6. Figures compare only for one network, one number of images and
one real set; with fewer images than the network has features they come out too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http.client import HTTPException
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from reid_models import Encoder
from reid_models.preprocess import Image
from train.errors import TrainError

FloatArray = npt.NDArray[np.floating[Any]]
_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
_BATCH = 32


def frechet_distance(first: FloatArray, second: FloatArray) -> float:
    """Squared Fréchet distance of the normal distributions that fit two sets of features.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` with unbiased covariances.

    Args:
        first: (N, D), N at least 2.
        second: (M, D), M at least 2.

    Raises:
        TrainError: a set has fewer than two rows.
    """
    (mean1, spread1), (mean2, spread2) = (_moments(features) for features in (first, second))
    root = _square_root(spread1)
    # root S2 root has the eigenvalues of S1 S2, and unlike it is symmetric.
    shared = np.sqrt(np.linalg.eigvalsh(root @ spread2 @ root).clip(min=0)).sum()
    apart = np.square(mean1 - mean2).sum()
    return float(max(apart + np.trace(spread1) + np.trace(spread2) - 2 * shared, 0.0))


def encoder_fid(encoder: Encoder, real: Sequence[Image], generated: Sequence[Image]) -> float:
    """Fréchet distance in the embedding space of an encoder; no FID by the usual name.

    Args:
        encoder: one that the generator never trained, else the figure flatters it.
        real, generated: RGB uint8 images H x W x 3 of any size, at least two of each.

    Raises:
        TrainError: there are fewer.
    """
    return frechet_distance(encoder.embed(real), encoder.embed(generated))


def encoder_fid_name(encoder: Encoder) -> str:
    """What to call the figure of `encoder_fid` in reports."""
    return f"Fréchet distance in the space of encoder {encoder.fingerprint[:8]}"


def inception_weights(file: Path | None) -> Path:
    """The weights that FID is defined by: the file, or the one in torch.hub's cache, where they
    are downloaded to once.

    Raises:
        TrainError: the file does not hold them, or there is neither a file nor a network
            connection.
    """
    file = _download() if file is None else file
    _metric(file)
    return file


def inception_fid(
    real: Sequence[Image],
    generated: Sequence[Image],
    weights: Path | None = None,
    device: str = "cpu",
) -> float:
    """FID as torchmetrics has it: 2048 features of Inception v3, images resized to 299 x 299.

    Args:
        real, generated: RGB uint8 images H x W x 3 of any size, at least two of each.
        weights: of the Inception network that FID is defined by, in torch-fidelity's form; None
            downloads them once into torch.hub's cache.
        device: where the network runs.

    Raises:
        TrainError: there are fewer images, no weights and no network connection, or the file
            does not hold such weights.
    """
    for images in (real, generated):
        _check_enough(len(images))
    metric = _metric(weights if weights is not None else _download()).to(device)
    for images, is_real in ((real, True), (generated, False)):
        for batch in _batches(images):
            metric.update(batch.to(device), real=is_real)
    return float(metric.compute())


def _moments(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    _check_enough(len(features))
    rows = features.astype(np.float64)
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _check_enough(images: int) -> None:
    if images < 2:
        raise TrainError(
            f"a Fréchet distance needs at least two images on either side, not {images}"
        )


def _square_root(matrix: FloatArray) -> FloatArray:
    """Of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values.clip(min=0))) @ vectors.T)


def _batches(images: Sequence[Image]) -> Iterator[torch.Tensor]:
    for _, run in groupby(images, key=np.shape):
        same = list(run)
        for start in range(0, len(same), _BATCH):
            yield torch.from_numpy(np.stack(same[start : start + _BATCH])).permute(0, 3, 1, 2)


def _metric(weights: Path) -> FrechetInceptionDistance:
    try:
        # torch-fidelity unpickles whatever it is given, so what it is given is looked at before.
        torch.load(weights, map_location="cpu", weights_only=True)
        return FrechetInceptionDistance(feature_extractor_weights_path=str(weights))
    except Exception as error:  # torch raises many classes for a damaged or foreign file
        reason = str(error).partition("\n")[0]
        raise TrainError(f"{weights}: not weights of FID's Inception network ({reason})") from None


def _download() -> Path:
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(_URL).name
    if file.is_file():
        return file
    try:
        torch.hub.load_state_dict_from_url(
            _URL, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError, HTTPException) as error:
        raise TrainError(
            f"cannot download the Inception weights that FID is defined by ({error}); download "
            f"{_URL} where there is a network and name the file, or measure in the embedding "
            "space of an encoder"
        ) from None
    return file
