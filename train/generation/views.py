"""GCL's view generator: a known person seen from another side.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 5.3.1. Structure
encoder and decoder are DG-Net's, whose sizes the document takes over (5.4.2); the structure
encoder sees maps of bodies in place of grey images.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from reid_models import InputSpec
from reid_models.generators import Decoder, StructureEncoder
from reid_models.networks.network import Network
from train.generation.generator import Codes, Painter, check_size
from train.generation.pictures import Picture, sheet


class Identity(NamedTuple):
    """What the identity encoder says of N images.

    Attributes:
        code: (N, C, parts, 1), for the generator.
        row: (N, D), the embedding.
    """

    code: Tensor
    row: Tensor


class ViewGenerator(Painter):
    """Identities and structure maps to images.

    Args:
        network: the identity encoder, which is also what is kept.
        parts: horizontal parts of the identity code; 4 is the published number.
        width: of structure encoder and decoder; 16 is the published size.
        spec: of the images.

    Raises:
        TrainError: the images are too small for the networks, or of an odd size.
    """

    def __init__(self, network: Network, parts: int, width: int, spec: InputSpec) -> None:
        super().__init__(spec)
        channels = check_size(network, parts, "parts", spec)
        self.network = network
        self._parts = parts
        self.structure = StructureEncoder(width, aspp=False)
        self.decoder = Decoder(channels * parts, width)

    def identity_of(self, images: Tensor) -> Identity:
        """Of normalised images (N, 3, H, W): the code is the last map, averaged over parts."""
        maps, features = self.network.maps_and_features(images)
        code = F.adaptive_avg_pool2d(maps, (self._parts, 1))
        return Identity(code, cast(Tensor, self.network.neck(features)))

    def structure_of(self, maps: Tensor) -> Tensor:
        """Structure codes of maps (N, 1, H, W) in [0, 1]."""
        return cast(Tensor, self.structure(2 * maps - 1))

    def generate(self, codes: Codes) -> Tensor:
        """Normalised images (N, 3, H, W)."""
        return cast(Tensor, self.decoder(codes.appearance, codes.structure))


@torch.no_grad()
def view_sheet(generator: ViewGenerator, images: Tensor, maps: Tensor) -> Picture:
    """Two rows a person: the image and how it is generated from each side, and the maps.

    Args:
        generator: put into evaluation mode.
        images: normalised images (N, 3, H, W).
        maps: (N, S, H, W) in [0, 1], from S sides.
    """
    generator.eval()
    device = next(generator.parameters()).device
    rows = []
    for image, sides in zip(images.to(device), maps.to(device), strict=True):
        code = generator.identity_of(image[None]).code.expand(len(sides), -1, -1, -1)
        made = generator.generate(Codes(code, generator.structure_of(sides[:, None])))
        rows.append(torch.cat([image[None], made]))
        empty = torch.full_like(image[None], torch.inf)
        rows.append(torch.cat([empty, generator.grey(sides[:, None])]))
    return sheet(generator, rows)
