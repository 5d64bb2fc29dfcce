"""A whole training set as a network sees it, on all processes of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor

from reid_models import InputSpec
from train.data import Augmentation, Crops, Sample
from train.loop import Source
from train.loop.loader import Loader
from train.loop.progress import Progress
from train.losses.similarity import unit_rows

_BATCH = 128  # over all processes, a little more where they are many


class WholeSet:
    """All images, unchanged and in their order; each process reads and embeds its part.

    Args:
        samples: the images.
        spec: of the network's input.
        workers: processes that read images, for each training process; 0 is the process itself.
        accelerator: of the run.
    """

    def __init__(
        self, samples: Sequence[Sample], spec: InputSpec, workers: int, accelerator: Accelerator
    ) -> None:
        self._count, self._accelerator = len(samples), accelerator
        processes = accelerator.num_processes
        source = Source(
            samples,
            Crops(samples, spec, Augmentation()),
            _InOrder(len(samples), -(-_BATCH // processes) * processes, processes),
        )
        self._loader = Loader(
            source, workers, accelerator.device, accelerator.process_index, processes
        )

    @torch.no_grad()
    def embed(self, network: Callable[[Tensor], Tensor], epoch: int) -> npt.NDArray[np.float32]:
        """Rows of length 1, (N, D), the same in every process.

        Args:
            network: images (B, 3, H, W) to embeddings (B, D), in evaluation mode.
            epoch: that it is done for, to show how far it is.
        """
        parts = []
        progress = Progress(epoch, len(self._loader), self._accelerator.is_main_process)
        for number, batch in enumerate(self._loader, start=1):
            with self._accelerator.autocast():
                rows = network(batch.images)
            parts.append(self._accelerator.gather(unit_rows(rows)).cpu())
            progress.step(number)
        progress.close()
        return torch.cat(parts)[: self._count].numpy()


class _InOrder:
    """Batches of ``size`` numbers in their order; the last is filled up to a multiple of
    ``processes`` with its last number."""

    def __init__(self, count: int, size: int, processes: int) -> None:
        self._count, self._size, self._processes = count, size, processes

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self._count, self._size):
            numbers = list(range(start, min(start + self._size, self._count)))
            missing = -len(numbers) % self._processes
            yield numbers + numbers[-1:] * missing
