"""Networks, the encoder file, and what can be said about embeddings alone.

>>> encoder = load_encoder("encoder.safetensors")
>>> encoder.embed(crops).shape  # crops: RGB uint8 arrays H x W x 3 of any size
(len(crops), encoder.dimension)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reid_models.description import Description, InputSpec, Similarities
    from reid_models.encoder import Encoder, load_encoder
    from reid_models.errors import EncoderError
    from reid_models.header import describe_encoder
    from reid_models.networks import build, names
    from reid_models.weights import save_encoder

__all__ = [
    "Description",
    "Encoder",
    "EncoderError",
    "InputSpec",
    "Similarities",
    "build",
    "describe_encoder",
    "load_encoder",
    "names",
    "save_encoder",
]

_HOMES = {
    "Description": "description",
    "Encoder": "encoder",
    "EncoderError": "errors",
    "InputSpec": "description",
    "Similarities": "description",
    "build": "networks",
    "describe_encoder": "header",
    "load_encoder": "encoder",
    "names": "networks",
    "save_encoder": "weights",
}


def __getattr__(name: str) -> object:
    """Loads what is asked for: torch takes seconds and half a gigabyte, and not all need it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
