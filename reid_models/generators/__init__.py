"""The networks that make images of people, and the one that judges them.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification"
(DG-Net, 2019), appendix A. The width of all layers is an argument. With the published width and
the appearance code of ResNet-50, in 10^6 weights: structure encoder 0.38, decoder 4.15,
discriminator 1.03 (its three scales together).
"""

from __future__ import annotations

from reid_models.generators.decoder import Decoder
from reid_models.generators.discriminator import Discriminator
from reid_models.generators.structure import StructureEncoder

__all__ = ["Decoder", "Discriminator", "StructureEncoder"]
