"""From a source's draws to batches on a device."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from train.errors import TrainError
from train.loop.method import Batch, Draws, Source

T = TypeVar("T")


class Loader:
    """The batches of one process.

    A batch of the source is that of all processes together; each takes its own part, which is as
    long as the others' and follows the order of the draws: a sampler that puts the images of one
    identity side by side gives whole identities to each process.

    Args:
        source: of all processes' batches.
        workers: processes that read and change images; 0 is this one. No more are started than
            processors that this process may use.
        device: where batches go.
        process: number of this process.
        processes: how many there are.
    """

    def __init__(
        self, source: Source, workers: int, device: torch.device, process: int, processes: int
    ) -> None:
        self.source = source
        self._device = device
        workers = min(workers, len(os.sched_getaffinity(0)))
        watched, self._alive = multiprocessing.Pipe(duplex=False)  # closed when this process ends
        self._loader: DataLoader[tuple[Tensor, int, int]] = DataLoader(
            _Numbered(source.images),
            batch_sampler=_Part(source.draws, process, processes),  # type: ignore[arg-type]
            num_workers=workers,
            multiprocessing_context="forkserver" if workers else None,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            worker_init_fn=partial(_leave_with, watched) if workers else None,
        )

    def __len__(self) -> int:
        return len(self.source.draws)

    def __iter__(self) -> Iterator[Batch]:
        for images, labels, indices in _plain_errors(self._loader):
            yield Batch(
                images.to(self._device, non_blocking=True, memory_format=torch.channels_last),
                labels.to(self._device, non_blocking=True),
                indices,
            )


def _plain_errors(batches: Iterable[T]) -> Iterator[T]:
    """What a worker says to the user, without the traceback that torch puts around it."""
    try:
        yield from batches
    except TrainError as error:
        raise TrainError(str(error).rpartition(f"{TrainError.__name__}: ")[2].strip()) from None


class _Numbered(Dataset[tuple[Tensor, int, int]]):
    """Adds to each item its number, so that what went wrong can be named."""

    def __init__(self, images: Dataset[tuple[Tensor, int]]) -> None:
        self._images = images

    def __getitem__(self, index: Any) -> tuple[Tensor, int, int]:
        image, label = self._images[index]
        return image, label, index if isinstance(index, int) else index[0]


class _Part:
    """One process's part of each batch."""

    def __init__(self, draws: Draws, process: int, processes: int) -> None:
        self._draws, self._process, self._processes = draws, process, processes

    def __len__(self) -> int:
        return len(self._draws)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for draws in self._draws:
            size, rest = divmod(len(draws), self._processes)
            if rest:
                raise TrainError(
                    f"a batch of {len(draws)} images cannot be shared equally by "
                    f"{self._processes} processes"
                )
            yield draws[self._process * size : (self._process + 1) * size]


def _leave_with(training: Connection, worker: int) -> None:
    """Let a worker end when the training is killed; it would wait for ever, and hold its memory.

    torch's workers look whether their parent lives, which is the fork server, which waits for
    its workers. Nothing is ever sent: the other end is closed when its process ends.
    """

    def watch() -> None:
        training.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
