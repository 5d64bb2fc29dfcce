"""What the loop asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from reid_models import Description
from train.data import Sample

if TYPE_CHECKING:
    from train.loop.loop import Loop


@dataclass(frozen=True)
class Batch:
    """What one step learns from, on the device of the run.

    Attributes:
        images: (N, 3, H, W) float32, normalised.
        labels: (N,) int64.
        indices: (N,) int64, places in `Source.samples`; on the CPU.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor


class Draws(Protocol):
    """Gives, batch by batch, the indices that the data set is asked for."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Sequence[Any]]: ...


@dataclass(frozen=True)
class Source:
    """Where an epoch's batches come from.

    Attributes:
        samples: the images, for messages.
        images: gives ``(image, label)``; an index is a number, or a tuple that begins with it.
        draws: the batches of all processes together.
    """

    samples: Sequence[Sample]
    images: Dataset[tuple[Tensor, int]]
    draws: Draws


@dataclass
class Update:
    """One change of weights for each batch. Methods with adversaries have several, in turn.

    Attributes:
        optimizers: of the weights that change; more than one where they change in other ways.
        step: from a batch to scalars by name; ``loss`` is minimised, all are reported. Of several
            updates the other names differ; ``loss`` is reported as their sum.
        rate: share of the highest learning rate at a fractional epoch; 0 is the start.
    """

    optimizers: list[Optimizer]
    step: Callable[[Batch], dict[str, Tensor]]
    rate: Callable[[float], float]

    def groups(self) -> list[dict[str, Any]]:
        """The groups of weights of all optimisers."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]


class Method(ABC):
    """What is trained, on which batches, by which losses. The loop does the rest.

    Attributes:
        models: everything with weights or memory, by name. The loop moves them to the device and
            wraps them for several processes, so that ``step`` must call them from here.
        updates: what happens with each batch, in this order.
        network: what becomes the encoder; a part of ``models``.
        description: of the encoder, without its figures.
        lower: what to lower where memory is short, for messages.
    """

    models: dict[str, nn.Module]
    updates: list[Update]
    network: nn.Module
    description: Description
    lower = (
        "identities_per_batch or images_per_identity (accumulation makes up for it), or height "
        "and width; or set gradient_checkpointing=true"
    )

    @abstractmethod
    def source(self, epoch: int) -> Source:
        """The batches of an epoch, from 1. While it is the same object, loaders live on."""

    def before_epoch(self, loop: Loop) -> None:  # noqa: B027 - most have nothing to do
        """Called before `source`, for what is renewed each epoch."""

    def after_step(self) -> None:  # noqa: B027 - most have nothing to do
        """Called after each change of weights, for what follows them."""

    @property
    def doubtful(self) -> bool:
        """Whether what was learnt of late may be worth nothing: the former checkpoint stays."""
        return False

    def pictures(self, epoch: int) -> dict[str, npt.NDArray[np.uint8]]:
        """What to look at after an epoch, by name: RGB uint8 H x W x 3."""
        return {}
