"""Grad-CAM for retrieval: which places make two pictures look alike to a network.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks" (2017), with the cosine
similarity to the other picture in the place of a class's score.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from reid_models.networks.network import Network
from reid_models.preprocess import Image, to_batch
from reid_models.weights import read_encoder


def likeness_maps(network: Network, images: Tensor, others: Tensor) -> Tensor:
    """Where each image resembles its counterpart.

    The network's last map, its channels weighted by the mean gradient of the cosine similarity,
    negative sums cut off, divided by its greatest value.

    Args:
        network: in evaluation mode.
        images: (N, 3, H, W), normalised.
        others: (N, 3, H, W), their counterparts.

    Returns:
        (N, h, w) in [0, 1]; all zeros where nothing speaks for a likeness.
    """
    with torch.no_grad():
        wanted = network(others)
    with torch.enable_grad():
        # A pass over weights that take no gradient has none for its maps either.
        maps, features = network.maps_and_features(images.detach().requires_grad_())
        similarity = F.cosine_similarity(network.neck(features), wanted)
        (gradient,) = torch.autograd.grad(similarity.sum(), maps)
    weights = gradient.mean((2, 3), keepdim=True)
    found = F.relu((weights * maps).sum(dim=1)).detach()
    return found / found.amax((1, 2), keepdim=True).clamp(min=torch.finfo(found.dtype).tiny)


class Looker:
    """Draws likeness maps over pictures.

    Args:
        encoder: a ``.safetensors`` file.

    Raises:
        EncoderError: says what is wrong with the file.
    """

    def __init__(self, encoder: Path) -> None:
        network, description = read_encoder(encoder)
        self._network, self._spec = cast(Network, network), description.input

    def overlays(self, one: Image, other: Image) -> tuple[Image, Image]:
        """Two RGB pictures, each with what makes it look like the other in warm colours."""
        batch = torch.from_numpy(to_batch([one, other], self._spec)).permute(0, 3, 1, 2)
        maps = likeness_maps(self._network, batch, batch.flip(0)).numpy()
        return _overlay(one, maps[0]), _overlay(other, maps[1])


def _overlay(image: Image, likeness: npt.NDArray[np.float32]) -> Image:
    height, width = image.shape[:2]
    large = cv2.resize(likeness, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = (large * 255).clip(0, 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(image, 0.5, colours, 0.5, 0), np.uint8)
