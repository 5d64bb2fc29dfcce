"""A method small enough to be worked out by hand: points on a plane, no images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from reid_models import Description, InputSpec
from train.data import Sample
from train.loop import Batch, Epoch, LoopSettings, Method, Source, Update
from train.loop.accelerator import make_accelerator
from train.loop.checkpoint import prepare_folder
from train.loop.loop import Loop


class Points(Dataset[tuple[Tensor, int]]):
    """``(point (1, 2, 2), label)``, the same for each number."""

    def __init__(self, count: int) -> None:
        self.values = torch.randn(count, 1, 2, 2, generator=torch.Generator().manual_seed(0))

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.values[index], index % 2


class InOrder:
    """Batches of numbers, from the first point to the last."""

    def __init__(self, count: int, size: int) -> None:
        self._batches = [list(range(i, i + size)) for i in range(0, count, size)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return iter(self._batches)


class Toy(Method):
    """Logistic regression by plain gradient descent."""

    def __init__(
        self, count: int = 16, size: int = 4, dropout: float = 0.0, rate: float = 0.1
    ) -> None:
        self.network = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(4, 2))
        self.models = {"model": self.network}
        optimizer = torch.optim.SGD(self.network.parameters(), lr=rate)
        self.updates = [Update([optimizer], self.step, lambda epoch: 1.0)]
        samples = [Sample(Path(f"{number}.jpg"), number % 2, 1) for number in range(count)]
        self.made = Source(samples, Points(count), InOrder(count, size))
        self.seen: list[int] = []
        self.description = Description(
            input=InputSpec(height=8, width=8), dimension=2, architecture="toy"
        )

    def source(self, epoch: int) -> Source:
        return self.made

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.seen.extend(batch.indices.tolist())
        logits = self.models["model"](batch.images)
        return {"loss": F.cross_entropy(logits, batch.labels)}


def loop_settings(**changes: Any) -> LoopSettings:
    values = {
        "epochs": 3,
        "precision": "fp32",
        "accumulation": 1,
        "gradient_checkpointing": False,
        "ema": None,
        "validation": None,
        "workers": 0,
    }
    return LoopSettings.model_validate(values | changes)


def make_loop(
    out: Path,
    method: Callable[[], Method] = Toy,
    settings: LoopSettings | None = None,
    resume: bool = False,
    validate: Callable[[dict[str, Tensor]], dict[str, float]] | None = None,
) -> Loop:
    prepare_folder(out, resume)
    set_seed(7)
    settings = settings or loop_settings()
    identity = {"settings": settings.model_dump(mode="json"), "seed": 7}
    loop = Loop(method(), settings, 7, out, identity, make_accelerator("fp32"), validate)
    if resume:
        loop.resume()
    return loop


def stop_after(number: int) -> Callable[[Epoch], None]:
    def report(epoch: Epoch) -> None:
        if epoch.number == number:
            raise KeyboardInterrupt

    return report


def silent(epoch: Epoch) -> None:
    pass
