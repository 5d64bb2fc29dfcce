"""Device, precision and processes of a training."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from train.precision import Precision, mixed_precision

_PATIENCE = timedelta(hours=6)  # of processes that wait while the first one evaluates


def make_accelerator(precision: Precision) -> Accelerator:
    """For the GPU, or without one the CPU; of as many processes as torchrun has started.

    Raises:
        TrainError: see `train.precision.mixed_precision`.
    """
    AcceleratorState._reset_state()  # else a second run in one process keeps the first's precision
    return Accelerator(
        cpu=not torch.cuda.is_available(),  # unless told so, it ignores torchrun on a CPU
        mixed_precision=mixed_precision(precision),
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
