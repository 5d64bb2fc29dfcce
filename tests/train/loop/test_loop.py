"""The loop, on a method that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter  # noqa: F401 - the logs' reader comes with it

from tests.train.loop.toy import InOrder, Points, Toy, loop_settings, make_loop, silent, stop_after
from train.errors import TrainError
from train.loop import Batch, Source, Update
from train.loop.loop import Loop


def test_equals_gradient_descent_by_hand(tmp_path: Path) -> None:
    loop = make_loop(tmp_path / "run")
    weight, bias = (value.double().numpy() for value in loop.method.network.state_dict().values())
    loop.fit(silent)
    points, labels = Points(16).values.double().flatten(1).numpy(), torch.arange(16) % 2
    weight, bias = torch.tensor(weight), torch.tensor(bias)
    losses = []
    for step in range(12):
        rows = slice(step % 4 * 4, step % 4 * 4 + 4)
        x, y = torch.tensor(points[rows]), F.one_hot(labels[rows], 2)
        share = torch.softmax(x @ weight.T + bias, dim=1)
        losses.append(-(share.log() * y).sum() / 4)
        weight, bias = (
            weight - 0.1 * (share - y).T @ x / 4,
            bias - 0.1 * (share - y).sum(dim=0) / 4,
        )
    trained = loop.weights()
    assert torch.allclose(trained["2.weight"].double(), weight, atol=1e-6)
    assert torch.allclose(trained["2.bias"].double(), bias, atol=1e-6)
    means = [epoch.losses["loss"] for epoch in loop.history]
    assert means == pytest.approx([float(sum(losses[i : i + 4])) / 4 for i in (0, 4, 8)], abs=1e-6)


def test_accumulated_batches_equal_large_ones(tmp_path: Path) -> None:
    """Of 20 points in batches of 4, three and then two batches make a step."""
    small = make_loop(tmp_path / "small", lambda: Toy(20), loop_settings(accumulation=3, epochs=1))
    small.fit(silent)

    class Large(Toy):
        def source(self, epoch: int) -> Source:
            draws = InOrder(20, 4)
            draws._batches = [list(range(12)), list(range(12, 20))]
            return Source(self.made.samples, self.made.images, draws)

    large = make_loop(tmp_path / "large", lambda: Large(20), loop_settings(epochs=1))
    large.fit(silent)
    for name, value in large.weights().items():
        assert torch.allclose(small.weights()[name], value, atol=1e-6)


def test_resumes_bit_for_bit(tmp_path: Path) -> None:
    """With dropout, Adam, a moving average and a validation that chose an epoch before the stop."""

    class Wild(Toy):
        def __init__(self) -> None:
            super().__init__(dropout=0.5)
            optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.1, amsgrad=True)
            self.updates = [Update([optimizer], self.step, lambda epoch: 1 / (1 + epoch))]

    def second_is_best(weights: dict[str, Tensor]) -> dict[str, float]:
        looks.append(len(looks))
        return {"map": float(len(looks) == 2)}

    settings = loop_settings(epochs=5, ema=0.9, validation={"share": 0.1, "every": 1})
    looks: list[int] = []
    whole = make_loop(tmp_path / "whole", Wild, settings, validate=second_is_best)
    whole.fit(silent)
    looks = []
    part = make_loop(tmp_path / "part", Wild, settings, validate=second_is_best)
    with pytest.raises(KeyboardInterrupt):
        part.fit(stop_after(3))
    part = make_loop(tmp_path / "part", Wild, settings, resume=True, validate=second_is_best)
    torch.rand(100)  # what else drew random numbers must not matter
    part.fit(silent)
    assert [e.losses for e in part.history] == [e.losses for e in whole.history]
    assert part.best_epoch == whole.best_epoch == 2
    for name, value in whole.weights().items():
        assert torch.equal(part.weights()[name], value)
    for name, value in whole.method.network.state_dict().items():
        assert torch.equal(part.method.network.state_dict()[name], value)


def test_the_moving_average_is_kept(tmp_path: Path) -> None:
    loop = make_loop(tmp_path / "run", settings=loop_settings(ema=0.5))
    loop.fit(silent)
    last = loop.method.network.state_dict()["2.weight"]
    assert not torch.equal(loop.weights()["2.weight"], last)


def test_too_little_memory_is_explained(tmp_path: Path) -> None:
    class Huge(Toy):
        def step(self, batch: Batch) -> dict[str, Tensor]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 PiB")

    with pytest.raises(TrainError, match="out of GPU memory in epoch 1: lower identities"):
        make_loop(tmp_path / "run", Huge).fit(silent)


def test_several_updates_take_turns(tmp_path: Path) -> None:
    """Two networks pull one number up and down; each has an optimiser of its own."""

    class Rivals(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
            nn.init.zeros_(self.one.weight)
            nn.init.zeros_(self.other.weight)
            self.models = {"one": self.one, "other": self.other}
            self.updates = [
                Update([torch.optim.SGD(self.one.parameters(), lr=1)], self.up, lambda e: 1.0),
                Update([torch.optim.SGD(self.other.parameters(), lr=1)], self.down, lambda e: 0.5),
            ]

        def both(self) -> Tensor:
            unit = torch.ones(1)
            return (self.models["one"](unit) + self.models["other"](unit)).squeeze()

        def up(self, batch: Batch) -> dict[str, Tensor]:
            return {"loss": -self.both(), "up": self.both()}

        def down(self, batch: Batch) -> dict[str, Tensor]:
            return {"loss": self.both(), "down": self.both()}

    loop = make_loop(tmp_path / "run", Rivals, loop_settings(epochs=1))
    loop.fit(silent)
    assert isinstance(loop.method, Rivals)
    assert (loop.method.one.weight.item(), loop.method.other.weight.item()) == (4.0, -2.0)
    # before the updates of step n: n/2 up; after the first of them 1 + n/2
    assert loop.history[0].losses == {"loss": 1.0, "up": 0.75, "down": 1.75}


def test_one_update_may_have_several_optimisers(tmp_path: Path) -> None:
    """Plain descent of the weight, and of the bias with momentum: by hand, and after a stop."""

    class Parted(Toy):
        def __init__(self) -> None:
            super().__init__()
            linear = self.network[2]
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
            optimizers = [
                torch.optim.SGD([linear.weight], lr=0.1),
                torch.optim.SGD([linear.bias], lr=0.5, momentum=0.9),
            ]
            self.updates = [Update(optimizers, self.total, lambda epoch: 0.5)]

        def total(self, batch: Batch) -> dict[str, Tensor]:
            return {"loss": self.models["model"](torch.ones(1, 1, 2, 2)).sum()}

    settings = loop_settings(epochs=2)
    with pytest.raises(KeyboardInterrupt):
        make_loop(tmp_path / "run", Parted, settings).fit(stop_after(1))
    loop = make_loop(tmp_path / "run", Parted, settings, resume=True)
    loop.fit(silent)
    weights = loop.method.network.state_dict()
    speed = bias = 0.0
    for _ in range(8):  # two epochs of four batches, gradient 1
        speed = 0.9 * speed + 1
        bias -= 0.25 * speed
    assert weights["2.weight"].flatten().tolist() == pytest.approx([-0.05 * 8] * 8)
    assert weights["2.bias"].tolist() == pytest.approx([bias] * 2)


def test_a_source_can_be_renewed_each_epoch(tmp_path: Path) -> None:
    class Renewing(Toy):
        labels = 0

        def before_epoch(self, loop: Loop) -> None:
            first = (loop.epoch - 1) * 4
            draws = InOrder(16, 4)
            draws._batches = [list(range(first, first + 4))]
            self.made = Source(self.made.samples, self.made.images, draws)

    loop = make_loop(tmp_path / "run", Renewing)
    loop.fit(silent)
    assert isinstance(loop.method, Renewing)
    assert loop.method.seen == list(range(12))


def test_logs_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loop = make_loop(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        loop.fit(stop_after(2))
    loop = make_loop(tmp_path / "run", resume=True)
    loop.fit(silent)
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    points = [(point.step, point.value) for point in log.Scalars("train/loss")]
    expected = [(epoch.number, pytest.approx(epoch.losses["loss"])) for epoch in loop.history]
    assert points == expected
    assert {"train/loss", "train/learning_rate"} == set(log.Tags()["scalars"])


def test_time_left_shrinks_to_nothing(tmp_path: Path) -> None:
    loop = make_loop(tmp_path / "run")
    loop.fit(silent)
    assert loop.history[0].remaining > 0
    assert loop.history[-1].remaining == 0
    assert str(loop.history[-1]).startswith("epoch 3/3  loss 0.")


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_loop(tmp_path / "run").fit(stop_after(1))

    class Wider(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, 2))
            self.models = {"model": self.network}

    with pytest.raises(TrainError, match="does not fit this network and method"):
        make_loop(tmp_path / "run", Wider, resume=True)
