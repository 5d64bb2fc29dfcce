"""The poolings against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reid_models.networks.pooling import POOLINGS, GeM


def naive(name: str, maps: np.ndarray, p: float = 3.0) -> np.ndarray:
    out = np.zeros(maps.shape[:2])
    for i, image in enumerate(maps):
        for j, channel in enumerate(image):
            values = [float(v) for v in channel.ravel()]
            mean, largest = sum(values) / len(values), max(values)
            if name == "gem":
                powers = [max(v, 1e-6) ** p for v in values]
                out[i, j] = (sum(powers) / len(powers)) ** (1 / p)
            else:
                kinds = {"average": mean, "max": largest, "average+max": mean + largest}
                out[i, j] = kinds[name]
    return out


@pytest.fixture
def maps() -> torch.Tensor:
    values = torch.randn(3, 5, 4, 2, generator=torch.Generator().manual_seed(2)).double()
    values[0, 0] = 0  # a channel that nothing answers in
    return values.relu()


@pytest.mark.parametrize("name", POOLINGS)
def test_equals_a_plain_loop(name: str, maps: torch.Tensor) -> None:
    pooled = POOLINGS[name]().double()(maps)
    np.testing.assert_allclose(pooled.detach().numpy(), naive(name, maps.numpy()), atol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.5, 6.0])
def test_gem_is_the_generalised_mean(p: float, maps: torch.Tensor) -> None:
    pooled = GeM(p).double()(maps).detach().numpy()
    np.testing.assert_allclose(pooled, naive("gem", maps.numpy(), p), atol=1e-12)


def test_gem_lies_between_average_and_maximum(maps: torch.Tensor) -> None:
    low, high = maps.mean((2, 3)), maps.amax((2, 3))
    pooled = GeM(3.0).double()(maps)
    alive = high > 0
    assert (pooled > low)[alive].all()
    assert (pooled < high)[alive].all()


@pytest.mark.parametrize(("asked", "used"), [(-2.0, 1.0), (0.0, 1.0), (50.0, 6.0)])
def test_gem_holds_its_power_in_a_safe_range(asked: float, used: float) -> None:
    maps = torch.rand(2, 3, 4, 2)
    assert torch.equal(GeM(asked)(maps), GeM(used)(maps))


@pytest.mark.parametrize("p", [1.0, 3.0, 6.0])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 1e4])
def test_gem_has_finite_gradients_in_single_precision(p: float, scale: float) -> None:
    pooling = GeM(p)
    maps = (torch.rand(2, 3, 8, 4) * scale).requires_grad_()
    pooled = pooling(maps)
    pooled.sum().backward()
    for tensor in (pooled, maps.grad, pooling.p.grad):
        assert torch.isfinite(tensor).all()


def test_gem_has_the_right_gradient() -> None:
    pooling = GeM(2.7).double()
    maps = (torch.rand(2, 3, 3, 2).double() + 0.1).requires_grad_()

    def pooled(maps: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(pooling, {"p": p}, (maps,))

    assert torch.autograd.gradcheck(pooled, (maps, pooling.p))


def test_gem_stays_exact_under_mixed_precision(maps: torch.Tensor) -> None:
    half = maps.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        pooled = GeM()(half).detach()
    assert pooled.dtype == torch.float32
    np.testing.assert_allclose(pooled.numpy(), naive("gem", half.double().numpy()), rtol=1e-5)
