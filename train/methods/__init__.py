"""The methods, one a module, each with YAML files of its settings beside it."""

from __future__ import annotations

from typing import NamedTuple

from train.errors import TrainError
from train.methods.baseline import BaselineMethod, BaselineSettings
from train.methods.scr import ScrMethod, ScrSettings
from train.methods.supervised import Supervised, SupervisedSettings


class Kind(NamedTuple):
    """A method and what its settings must be."""

    method: type[Supervised]
    settings: type[SupervisedSettings]


METHODS = {"baseline": Kind(BaselineMethod, BaselineSettings), "scr": Kind(ScrMethod, ScrSettings)}


def kind(name: str) -> Kind:
    """The method of that name.

    Raises:
        TrainError: there is none; names those that exist.
    """
    if name not in METHODS:
        raise TrainError(f"unknown method {name!r}; known are: {', '.join(METHODS)}")
    return METHODS[name]
