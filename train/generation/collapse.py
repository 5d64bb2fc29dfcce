"""Sees that a discriminator has stopped teaching the generator anything."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from train.errors import TrainError
from train.loop import Settings

_SAME = 1e-4  # spread of all scores of a batch, below which they say nothing
_EVERY = 10  # steps between two looks: a look lets a GPU wait


class Collapse(Settings):
    """When a discriminator counts as collapsed.

    Attributes:
        loss: its loss, the mean over scales and both kinds of images, below which it has won.
        steps: in a row, after which the run is stopped.
    """

    loss: float = Field(gt=0)
    steps: int = Field(ge=1)


class CollapseWatch(nn.Module):
    """Counts, in its buffers, for how many steps in a row a discriminator has been useless.

    Args:
        settings: when that is so.
    """

    won: Tensor
    silent: Tensor

    def __init__(self, settings: Collapse) -> None:
        super().__init__()
        self._settings = settings
        self._looks = 0  # not a buffer: a GPU would have to be waited for
        for name in ("won", "silent"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def look(self, loss: Tensor, scores: Sequence[Tensor], epoch: int) -> None:
        """Note a step.

        Args:
            loss: of the discriminator, summed over scales and both kinds of images.
            scores: of real and generated images together, a tensor a scale.
            epoch: the one that runs, for the message.

        Raises:
            TrainError: it has collapsed; says how.
        """
        has_won = loss / (2 * len(scores)) < self._settings.loss
        spread = torch.stack([scale.float().std() for scale in scores]).max()
        self.won.copy_((self.won + 1) * has_won)
        self.silent.copy_((self.silent + 1) * (spread < _SAME))
        self._looks += 1
        if self._looks % _EVERY == 0:
            self._judge(epoch)

    def get_extra_state(self) -> Tensor:
        """What a checkpoint has of it beside the buffers."""
        return torch.tensor(self._looks)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        self._looks = int(state)

    @property
    def doubtful(self) -> bool:
        """Whether it has been useless for half of the steps after which the run is stopped."""
        return 2 * max(int(self.won), int(self.silent)) >= self._settings.steps

    def _judge(self, epoch: int) -> None:
        for steps, what in (
            (int(self.won), "tells every generated image from a real one"),
            (int(self.silent), "says the same of every image"),
        ):
            if steps >= self._settings.steps:
                raise TrainError(
                    f"the discriminator has collapsed in epoch {epoch}: for {steps} steps it "
                    f"{what}, which teaches the generator nothing; the last checkpoint, if there "
                    "is one, is from before half of them; begin again with a lower learning_rate "
                    "(of the discriminator, where it has its own), or a higher gradient_penalty "
                    "where there is one"
                )
