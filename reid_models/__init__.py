"""Networks, the encoder file, and what can be said about embeddings alone.

>>> encoder = load_encoder("encoder.safetensors")
>>> encoder.embed(crops).shape  # crops: RGB uint8 arrays H x W x 3 of any size
(len(crops), encoder.dimension)
"""

from __future__ import annotations

from reid_models.description import Description, InputSpec, Similarities
from reid_models.encoder import Encoder, load_encoder
from reid_models.errors import EncoderError
from reid_models.networks import build, names
from reid_models.weights import save_encoder

__all__ = [
    "Description",
    "Encoder",
    "EncoderError",
    "InputSpec",
    "Similarities",
    "build",
    "load_encoder",
    "names",
    "save_encoder",
]
