"""Stops a run whose loss is no longer a number, and keeps the batch that did it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from train.errors import TrainError
from train.loop.method import Batch, Source


@dataclass(frozen=True)
class _Step:
    epoch: int
    number: int
    source: Source
    batch: Batch
    losses: dict[str, Tensor]


class Watch:
    """Looks at each step's losses once the next step has been launched.

    So a GPU never stands still while its figures travel. The weights of one more step are spoilt
    by that, which does not matter: the run stops, and the last checkpoint is whole.

    Args:
        folder: where the batch is saved.
        process: number of this process, for the file's name.
    """

    def __init__(self, folder: Path, process: int) -> None:
        self._folder, self._process = folder, process
        self._last: _Step | None = None

    def look(
        self, epoch: int, number: int, source: Source, batch: Batch, losses: dict[str, Tensor]
    ) -> None:
        """Note a step (1-based) with its losses, and check the one before.

        Raises:
            TrainError: the loss was not finite; names epoch, step, losses and file.
        """
        self.check()
        self._last = _Step(epoch, number, source, batch, losses)

    def check(self) -> None:
        """Check the last step.

        Raises:
            TrainError: as for `look`.
        """
        step, self._last = self._last, None
        if step is None or bool(torch.stack(list(step.losses.values())).isfinite().all()):
            return
        values = {name: float(value) for name, value in step.losses.items()}
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        file = self._folder / f"bad_batch_{self._process}.safetensors"
        self._save(file, step, shown)
        raise TrainError(
            f"the loss is no longer a number in epoch {step.epoch}, step {step.number} ({shown}); "
            f"the batch is in {file} and its images are named in {file.with_suffix('.json')}; "
            "lower learning_rate, or set precision=fp32"
        )

    @staticmethod
    def _save(file: Path, step: _Step, shown: str) -> None:
        batch = step.batch
        tensors = {"images": batch.images, "labels": batch.labels, "indices": batch.indices}
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, file)
        described = {
            "epoch": step.epoch,
            "step": step.number,
            "losses": shown,
            "images": [str(step.source.samples[index].path) for index in batch.indices.tolist()],
        }
        text = json.dumps(described, indent=2) + "\n"
        file.with_suffix(".json").write_text(text, encoding="utf-8")
