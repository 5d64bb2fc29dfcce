"""The moving average against a loop by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from train.loop.average import Average


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_equals_a_loop_by_hand() -> None:
    network = model()
    average = Average(network, 0.75)
    kept = network[0].weight.detach().double().clone()
    for update in range(1, 8):
        with torch.no_grad():
            network[0].weight.normal_()
            network[1].running_mean.fill_(update)
            network[1].num_batches_tracked.fill_(update)
        average.update()
        share = min(0.75, update / (update + 1))
        kept = share * kept + (1 - share) * network[0].weight.detach().double()
        if update == 2:  # still the plain mean of 0, 1 and 2
            assert average.weights()["1.running_mean"].tolist() == pytest.approx([1.0, 1.0])
    assert torch.allclose(average.weights()["0.weight"].double(), kept, atol=1e-6)
    assert average.weights()["1.num_batches_tracked"].item() == 7


def test_goes_on_from_its_state() -> None:
    network, other = model(), model()
    average, again = Average(network, 0.9), Average(other, 0.9)
    with torch.no_grad():
        network[0].weight.fill_(5)
    average.update()
    again.load_state_dict(average.state_dict())
    other.load_state_dict(network.state_dict())
    average.update()
    again.update()
    for name, value in average.weights().items():
        assert torch.equal(again.weights()[name], value)


def test_refuses_another_models_state() -> None:
    with pytest.raises(ValueError, match="other names"):
        Average(model(), 0.9).load_state_dict(Average(nn.Linear(1, 1), 0.9).state_dict())
