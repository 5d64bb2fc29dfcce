"""Gradient checkpointing changes memory and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reid_models import build
from train.errors import TrainError
from train.loop.recompute import recompute_activations


def backward(network: nn.Module, images: Tensor) -> int:
    """Gradients of a scalar; how many bytes were kept for them."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    def unpack(tensor: Any) -> Any:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        loss = network(images).square().sum()
    loss.backward()
    return sum(kept.values())


@pytest.mark.parametrize("name", ["stripenet", "resnet18"])
def test_same_gradients_and_statistics_in_less_memory(name: str) -> None:
    torch.manual_seed(0)
    plain = build(name).train()
    saving = copy.deepcopy(plain)
    recompute_activations(saving)
    images = torch.randn(8, 3, 64, 32)
    assert backward(saving, images) < 0.7 * backward(plain, images)
    for (key, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        if a.grad is not None:
            assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-5), key
    for (key, a), b in zip(plain.named_buffers(), saving.buffers(), strict=True):
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(a, b), key
    assert torch.equal(plain.eval()(images), saving.eval()(images))


def test_a_network_without_stages() -> None:
    with pytest.raises(TrainError, match=r"Linear is not made of stages; set gradient_check"):
        recompute_activations(nn.Linear(1, 1))
