"""The methods, one a module, each with YAML files of its settings beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from train.data import Sample
from train.errors import TrainError
from train.loop import Method
from train.methods.abmt import AbmtMethod, AbmtSettings, abmt_after_source
from train.methods.baseline import BaselineMethod, BaselineSettings
from train.methods.dgnet_features import DGNetSettings
from train.methods.dgnet_offline import make_dgnet
from train.methods.gcl import GclMethod, gcl_after_warm_up
from train.methods.gcl_settings import GclSettings
from train.methods.ice import IceMethod, IceSettings
from train.methods.scr import ScrMethod, ScrSettings
from train.methods.slsr import SlsrMethod, SlsrSettings
from train.methods.slsr_steps import slsr_after_steps
from train.methods.steps import Steps
from train.methods.supervised import EncoderSettings
from train.methods.unsupervised import judged

Make = Callable[[Any, Sequence[Sample], int, str], Method]


class Kind(NamedTuple):
    """A method.

    Attributes:
        method: to be called with ``(settings, samples, seed, trained_on)``.
        settings: what it is set by.
        steps: what has to be done before; gives the method, ready to be called.
    """

    method: Make
    settings: type[EncoderSettings]
    steps: Callable[[Steps], Make] | None = None


METHODS = {
    "baseline": Kind(BaselineMethod, BaselineSettings),
    "scr": Kind(ScrMethod, ScrSettings),
    "dgnet": Kind(make_dgnet, DGNetSettings),
    "slsr": Kind(SlsrMethod, SlsrSettings, slsr_after_steps),
    "ice": Kind(IceMethod, IceSettings, judged(IceMethod)),
    "abmt": Kind(AbmtMethod, AbmtSettings, abmt_after_source),
    "gcl": Kind(GclMethod, GclSettings, gcl_after_warm_up),
}


def kind(name: str) -> Kind:
    """The method of that name.

    Raises:
        TrainError: there is none; names those that exist.
    """
    if name not in METHODS:
        raise TrainError(f"unknown method {name!r}; known are: {', '.join(METHODS)}")
    return METHODS[name]
