"""The moving average of a network's weights, which often generalises better than the last."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of weights and of batch norm's statistics.

    The n-th update keeps ``min(decay, n / (n + 1))`` of what was: the plain mean at first, so
    that the random start is soon forgotten.

    Args:
        model: what is averaged; read again at each `update`.
        decay: in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay, self._updates = model, decay, 0
        self._values = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Call after each change of the model."""
        self._updates += 1
        kept = min(self._decay, self._updates / (self._updates + 1))
        for name, value in self._model.state_dict().items():
            if value.is_floating_point():
                self._values[name].lerp_(value, 1 - kept)
            else:
                self._values[name].copy_(value)

    def weights(self) -> dict[str, Tensor]:
        """The averages, by the model's own names; not copied."""
        return self._values

    def state_dict(self) -> dict[str, object]:
        return {"values": self._values, "updates": self._updates}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            ValueError: it is of another model.
        """
        values, updates = state["values"], state["updates"]
        if not isinstance(values, dict) or values.keys() != self._values.keys():
            raise ValueError("the averaged weights have other names")
        for name, value in values.items():
            self._values[name].copy_(value)
        self._updates = int(updates)  # type: ignore[call-overload]
