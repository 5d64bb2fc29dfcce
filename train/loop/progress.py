"""How an epoch went, and how a running one goes."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    """How an epoch went.

    Attributes:
        number: from 1.
        of: epochs of the run.
        losses: means over its steps and processes, by name; ``loss`` is what was minimised.
        learning_rate: at its end.
        seconds: of training and validation.
        remaining: to the end of the run, in seconds.
        validation: figures on the held-out identities where they were looked at.
    """

    number: int
    of: int
    losses: dict[str, float]
    learning_rate: float
    seconds: float
    remaining: float
    validation: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        figures = {**self.losses, **self.validation}
        shown = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        left = f"{self.remaining / 60:.1f} min left"
        return f"epoch {self.number}/{self.of}  {shown}  {self.seconds:.0f} s  {left}"


class Progress:
    """A line on a terminal that is renewed while an epoch runs; silent elsewhere.

    Args:
        epoch: number of the epoch.
        steps: in it.
        shown: whether this process shows anything.
    """

    def __init__(self, epoch: int, steps: int, shown: bool) -> None:
        self._epoch, self._steps = epoch, steps
        self._shown = shown and sys.stderr.isatty()
        self._start = self._last = time.monotonic()

    def step(self, number: int) -> None:
        """Step ``number``, from 1, is done."""
        now = time.monotonic()
        if not self._shown or now - self._last < 0.5:
            return
        self._last = now
        left = (now - self._start) / number * (self._steps - number)
        print(
            f"\repoch {self._epoch}  step {number}/{self._steps}  {left:.0f} s left in it \033[K",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
