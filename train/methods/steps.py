"""What a method has to do before it begins: trainings of their own in ``RUN/steps``.

What is there is not done again, so that a run that was stopped goes on within its steps too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from train.data import Sample
from train.loop import Epoch, LoopSettings, Method
from train.loop.checkpoint import NAME, load_checkpoint, save_checkpoint
from train.loop.loop import Loop


@dataclass(frozen=True)
class Steps:
    """What all steps are told.

    Attributes:
        settings: of the method.
        samples: the training images, as the data have them.
        out: folder of the run.
        seed: of everything.
        identity: what makes the run this run.
        accelerator: device, precision and processes.
    """

    settings: Any
    samples: Sequence[Sample]
    out: Path
    seed: int
    identity: dict[str, Any]
    accelerator: Accelerator

    @property
    def steps(self) -> Path:
        return self.out / "steps"

    def say(self, text: str) -> None:
        """On stderr, in the first process."""
        if self.accelerator.is_main_process:
            print(text, file=sys.stderr, flush=True)

    def first(self, file: Path, make: Callable[[], None]) -> None:
        """Let the first process make a file or folder that is not there; the others wait."""
        if self.accelerator.is_main_process and not file.exists():
            make()
        self.accelerator.wait_for_everyone()

    def begin(self) -> None:
        """Make the folder of the steps, and a checkpoint of the run before its first epoch, so
        that it can be resumed.

        Raises:
            TrainError: the run was begun with other settings.
        """
        begun = self.out / NAME
        self.first(begun, lambda: save_checkpoint(begun, self.identity, {}))
        load_checkpoint(begun, self.identity)
        self.first(self.steps, self.steps.mkdir)


def fitted(
    run: Steps, make: Callable[[], Method], settings: LoopSettings, folder: Path
) -> tuple[Method, dict[str, Tensor]]:
    """A method trained to its end in a folder of its own, from its checkpoint where there is one;
    with its weights."""
    run.first(folder, folder.mkdir)
    set_seed(run.seed)
    method = make()
    loop = Loop(method, settings, run.seed, folder, run.identity, run.accelerator)
    if (folder / NAME).is_file():
        loop.resume()
    loop.fit(lambda epoch: _tell(run, folder, epoch))
    return method, loop.weights()


def _tell(run: Steps, folder: Path, epoch: Epoch) -> None:
    run.say(f"{folder.name}: {epoch}")
