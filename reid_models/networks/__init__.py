"""The networks, by name.

A network takes normalised images ``(N, 3, H, W)`` and has three methods: ``maps(images)`` gives
its last feature map ``(N, C, h, w)``; ``features(images)`` gives what a metric loss works on,
``(N, D)``; ``neck(features)`` gives the embedding ``(N, D)`` that a classifier and the gallery
work on. ``forward`` is features and neck. ``dimension`` is D.

As they stand, with the multiply-adds of one image of 256 x 128 in 10^9:

================= ============= ==== =============
name              weights, 10^6    D multiply-adds
================= ============= ==== =============
stripenet                  0.95  256          0.16
osnet_x0_25                0.20  512          0.08
osnet_x1_0                 2.17  512          0.98
resnet18(_ibn_a)          11.18  512          1.99
densenet121                6.96 1024          2.01
resnet50(_ibn_a)          23.51 2048          4.05
resnet101(_ibn_a)         42.50 2048          6.48
scr                       69.86 3328          9.31
dgnet                     31.90 1024          2.68
asymmetric                42.94 4096          6.53
================= ============= ==== =============
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from reid_models.errors import EncoderError
from reid_models.networks.asymmetric import asymmetric
from reid_models.networks.densenet import densenet121
from reid_models.networks.dgnet import dgnet
from reid_models.networks.network import Network
from reid_models.networks.osnet import osnet
from reid_models.networks.resnet import RESNETS, resnet
from reid_models.networks.scr import scr
from reid_models.networks.stripenet import stripenet

_BUILDERS: dict[str, Callable[..., Network]] = {
    "stripenet": stripenet,
    **{name: partial(resnet, name) for name in RESNETS},
    "densenet121": densenet121,
    "osnet_x1_0": partial(osnet, "osnet_x1_0", 1.0),
    "osnet_x0_25": partial(osnet, "osnet_x0_25", 0.25),
    "scr": scr,
    "dgnet": dgnet,
    "asymmetric": asymmetric,
}


def names() -> list[str]:
    """The names that `build` knows."""
    return sorted(_BUILDERS)


def build(name: str, /, **arguments: Any) -> Network:
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
