"""The most memory that a piece of work holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

_GIB = 2**30
_SELF = Path("/proc/self")
_RESET_PEAK = "5"  # proc(5): the peak of resident memory begins again


class Peak:
    """Of the GPU where ``device`` is one, else of this process, since the last ``begin``."""

    def __init__(self, device: torch.device) -> None:
        self._has_gpu = device.type == "cuda"

    def begin(self) -> None:
        """Forget what was held before, but for what still is."""
        if self._has_gpu:
            torch.cuda.reset_peak_memory_stats()
            return
        with suppress(OSError):
            (_SELF / "clear_refs").write_text(_RESET_PEAK)

    def gib(self) -> float | None:
        """GiB; None where the system does not say."""
        if self._has_gpu:
            return torch.cuda.max_memory_allocated() / _GIB
        try:
            status = (_SELF / "status").read_text()
        except OSError:
            return None
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kib) * 1024 / _GIB
