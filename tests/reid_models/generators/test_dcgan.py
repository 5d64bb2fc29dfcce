"""DCGAN's layers have the sizes of section 4.1."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reid_models.generators.dcgan import DCGANDiscriminator, DCGANGenerator


def sizes(network: nn.Module, kind: type[nn.Module], given: torch.Tensor) -> list[tuple[int, ...]]:
    """What each layer of a kind gives for one image."""
    found: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _, __, out: found.append(tuple(out.shape[1:])))
    network(given)
    return found


def test_the_published_generator() -> None:
    generator = DCGANGenerator()
    given = generator.draw(2)
    assert given.shape == (2, 100)
    assert given.abs().max() <= 1
    assert sizes(generator, nn.Linear, given) == [(8 * 8 * 512,)]
    assert sizes(generator, nn.ConvTranspose2d, given) == [
        (256, 16, 16),
        (128, 32, 32),
        (64, 64, 64),
        (3, 128, 128),
    ]
    for layer in generator.modules():
        assert not isinstance(layer, nn.ConvTranspose2d) or layer.kernel_size == (5, 5)
    assert generator(given).abs().max() <= 1
    begin, norms = 101 * 8 * 8 * 512, 2 * (512 + 256 + 128 + 64)
    kernels = 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3
    assert sum(p.numel() for p in generator.parameters()) == begin + norms + kernels


def test_the_published_discriminator() -> None:
    discriminator = DCGANDiscriminator()
    given = torch.zeros(2, 3, 128, 128)
    assert sizes(discriminator, nn.Conv2d, given) == [
        (64, 64, 64),
        (128, 32, 32),
        (256, 16, 16),
        (512, 8, 8),
    ]
    assert discriminator(given).shape == (2,)
    kernels = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64
    norms, score = 2 * (128 + 256 + 512), 8 * 8 * 512 + 1
    assert sum(p.numel() for p in discriminator.parameters()) == kernels + norms + score


@pytest.mark.parametrize("size", [16, 32, 48])
def test_other_sizes(size: int) -> None:
    generator, discriminator = DCGANGenerator(size, 2, 5), DCGANDiscriminator(size, 2)
    images = generator(generator.draw(3))
    assert images.shape == (3, 3, size, size)
    assert discriminator(images).shape == (3,)


def test_noise_is_what_chance_says() -> None:
    generator = DCGANGenerator(16, 2, 1000)
    first, second = (generator.draw(4, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.mean().abs() < 0.05  # uniform in [-1, 1]: deviation 0.577
    assert first.std().item() == pytest.approx(3**-0.5, abs=0.02)
