"""The networks, by name.

A network takes normalised images ``(N, 3, H, W)`` and has two methods: ``features(images)``
gives what a metric loss works on, ``(N, D)``; ``neck(features)`` gives the embedding ``(N, D)``
that a classifier and the gallery work on; ``forward`` is one after the other. ``dimension`` is D.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from reid_models.errors import EncoderError
from reid_models.networks.stripenet import stripenet

_BUILDERS: dict[str, Callable[..., nn.Module]] = {"stripenet": stripenet}


def names() -> list[str]:
    """The names that `build` knows."""
    return sorted(_BUILDERS)


def build(name: str, **arguments: Any) -> nn.Module:
    """A network with random weights.

    Raises:
        EncoderError: the name, or one of the arguments, is unknown or impossible.
    """
    if name not in _BUILDERS:
        raise EncoderError(f"unknown architecture {name!r}; known are: {', '.join(names())}")
    builder = _BUILDERS[name]
    allowed = list(inspect.signature(builder).parameters)
    for key in arguments:
        if key not in allowed:
            raise EncoderError(f"{name} takes no argument {key!r}; it takes: {', '.join(allowed)}")
    return builder(**arguments)
