"""Encoders and decoder together: new images of known people.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (DG-Net,
2019), section 3.1; `train.generation.views` has the generator of another method.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from reid_models import InputSpec
from reid_models.generators import Decoder, StructureEncoder
from reid_models.networks.dgnet import DGNet
from reid_models.networks.network import Network
from train.errors import TrainError

_STEP = 16  # pixels: the discriminator's coarsest patches
_LEAST = 32  # pixels, of which the discriminator's smallest view is a quarter
_LUMA = (0.299, 0.587, 0.114)


class Codes(NamedTuple):
    """What an image is made of: appearance (N, C, parts, 1) and structure (N, S, H / 4, W / 4)."""

    appearance: Tensor
    structure: Tensor


class Painter(nn.Module):
    """What makes normalised images, and knows how they are seen.

    Args:
        spec: of the images.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        for name, values in (("_mean", spec.mean), ("_std", spec.std)):
            column = torch.tensor(values).view(3, 1, 1) / 255
            self.register_buffer(name, column, persistent=False)

    def pixels(self, images: Tensor) -> Tensor:
        """Normalised images as uint8 (N, H, W, 3) on the CPU."""
        levels = (255 * (images.float() * self._std + self._mean)).round().clamp(0, 255)
        return levels.to(torch.uint8).permute(0, 2, 3, 1).cpu()

    def grey(self, maps: Tensor) -> Tensor:
        """Maps (N, 1, H, W) from 0 to 1 as normalised images."""
        return (maps - self._mean) / self._std


class Generator(Painter):
    """DG-Net's: takes images apart and puts their codes together anew.

    Args:
        network: encodes appearance; it is also the encoder that is trained.
        width: of structure encoder and decoder; 16 is the published size.
        aspp: of the structure encoder.
        spec: of the images.

    Raises:
        TrainError: the images are too small for the networks, or of an odd size.
    """

    def __init__(self, network: DGNet, width: int, aspp: bool, spec: InputSpec) -> None:
        super().__init__(spec)
        channels, parts, _ = network.code_shape
        check_size(network, parts, "arguments.parts", spec)
        self.network = network
        self.structure = StructureEncoder(width, aspp)
        self.decoder = Decoder(channels * parts, width)

    def codes(self, images: Tensor) -> Codes:
        """The codes of normalised images (N, 3, H, W)."""
        return Codes(self.network.code(images), self.structure_of(images))

    def structure_of(self, images: Tensor) -> Tensor:
        """The structure codes of normalised images. Their encoder sees no colours, so that these
        must come from the appearance code."""
        return cast(Tensor, self.structure(2 * self._grey(images) - 1))

    def generate(self, codes: Codes) -> Tensor:
        """Normalised images (N, 3, H, W)."""
        return cast(Tensor, self.decoder(codes.appearance, codes.structure))

    def _grey(self, images: Tensor) -> Tensor:
        """From 0 to 1, (N, 1, H, W)."""
        luma = images.new_tensor(_LUMA).view(3, 1, 1)
        return ((images * self._std + self._mean) * luma).sum(dim=1, keepdim=True)


def check_size(network: Network, parts: int, name: str, spec: InputSpec) -> int:
    """Channels of the network's last map, whose rows suffice for a code of so many parts.

    Args:
        network: encodes appearance.
        parts: of the code.
        name: of the setting that says how many.
        spec: of the images.

    Raises:
        TrainError: the images are too small for that, or of an odd size.
    """
    for side, size in (("height", spec.height), ("width", spec.width)):
        if size % _STEP or size < _LEAST:
            raise TrainError(
                f"{side}={size}: images are made of {_STEP} pixels, and the discriminator sees "
                f"them at a quarter of their size; set a multiple of {_STEP}, {_LEAST} or more"
            )
    was_training = network.training
    with torch.no_grad():
        maps = network.eval().maps(torch.zeros(1, 3, spec.height, spec.width))
    network.train(was_training)
    channels, rows = maps.shape[1:3]
    if rows < parts:
        least = -(-spec.height // rows * parts // _STEP) * _STEP
        raise TrainError(
            f"height={spec.height}: too small for an appearance code of {parts} parts; "
            f"set height={least} or more, or {name}={rows}"
        )
    return channels
