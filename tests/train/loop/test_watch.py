"""A loss that is no longer a number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.train.loop.toy import Points, Toy, make_loop, silent
from train.errors import TrainError
from train.loop import Batch
from train.loop.checkpoint import NAME


class Fails(Toy):
    """At a step of the second epoch."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step, self._done = 4 + step, 0

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self._done += 1
        losses = super().step(batch)
        if self._done == self._step:
            losses["loss"] = losses["loss"] * float("inf") * 0
        return losses


@pytest.mark.parametrize("step", [2, 4])
def test_stops_and_keeps_the_batch(step: int, tmp_path: Path) -> None:
    out = tmp_path / "run"
    loop = make_loop(out, lambda: Fails(step))
    with pytest.raises(TrainError) as caught:
        loop.fit(silent)
    text = str(caught.value)
    assert f"no longer a number in epoch 2, step {step} (loss nan)" in text
    assert f"{out / 'bad_batch_0.safetensors'}" in text
    saved = load_file(out / "bad_batch_0.safetensors")
    numbers = range(4 * step - 4, 4 * step)
    assert torch.equal(saved["images"], Points(16).values[numbers])
    assert saved["labels"].tolist() == [number % 2 for number in numbers]
    described = json.loads((out / "bad_batch_0.json").read_text())
    assert described["images"] == [f"{number}.jpg" for number in numbers]
    state = torch.load(out / NAME, weights_only=True)["state"]
    assert len(state["history"]) == 1
    assert torch.isfinite(state["models"]["model"]["2.weight"]).all()
