"""Layer for layer the output sizes of appendix tables 6 to 8 at 256 x 128, and weights."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models import build
from reid_models.generators import Decoder, Discriminator, StructureEncoder

STRUCTURE = {
    "conv1": (16, 128, 64),
    "conv2": (32, 128, 64),
    "conv3": (32, 128, 64),
    "conv4": (64, 64, 32),
    "blocks": (64, 64, 32),
    "aspp": (128, 64, 32),
    "conv5": (128, 64, 32),
}
DECODER = {
    "up1": (128, 128, 64),
    "conv1": (64, 128, 64),
    "up2": (64, 256, 128),
    "conv2": (32, 256, 128),
    "conv3": (32, 256, 128),
    "conv4": (32, 256, 128),
    "conv5": (3, 256, 128),
}
DISCRIMINATOR = {
    "conv1": (32, 256, 128),
    "conv2": (32, 256, 128),
    "conv3": (32, 128, 64),
    "conv4": (32, 128, 64),
    "conv5": (64, 64, 32),
    "blocks": (64, 64, 32),
    "conv6": (1, 64, 32),
}


def sizes(network: nn.Module, *inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Of what each child gives, without the number of images."""
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str, module: nn.Module, given: object, output: Tensor) -> None:
        found[name] = tuple(output.shape[1:])

    for name, child in network.named_children():
        child.register_forward_hook(partial(note, name))
    with torch.inference_mode():
        network(*inputs)
    return found


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_structure_encoder_is_table_6() -> None:
    network = StructureEncoder()
    assert sizes(network, torch.randn(1, 1, 256, 128)) == STRUCTURE
    # kernels and biases; instance norm has none
    convolutions = [(1, 16, 9), (16, 32, 9), (32, 32, 9), (32, 64, 9)]
    convolutions += 8 * [(64, 64, 9)] + 4 * [(64, 32, 1)] + 3 * [(32, 32, 9)] + [(128, 128, 1)]
    assert count(network) == sum(i * o * k + o for i, o, k in convolutions) == 380_544
    assert [len(block.branch) for block in network.blocks] == [5] * 4


def test_the_pyramid_is_optional() -> None:
    network = StructureEncoder(aspp=False)
    found = sizes(network, torch.randn(1, 1, 256, 128))
    assert found == {**STRUCTURE, "aspp": (64, 64, 32)}
    assert count(network) == 336_288


def test_the_decoder_is_table_7() -> None:
    network = Decoder(2048 * 4).eval()
    structure = torch.randn(1, 128, 64, 32)
    assert sizes(network, torch.randn(1, 2048, 4, 1), structure).items() >= DECODER.items()
    assert len(network.blocks) == 4
    assert network.blocks[0](structure, torch.zeros(1, 512)).shape == (1, 128, 64, 32)
    convolutions = 8 * [(128, 128, 9)]
    convolutions += [(128, 64, 25), (64, 32, 25), (32, 32, 9), (32, 32, 9), (32, 3, 1)]
    norms = 2 * (64 + 32)
    style = 8192 * 256 + 256 + 256 * 256 + 256 + 256 * 2048 + 2048
    weights = sum(i * o * k + o for i, o, k in convolutions)
    assert count(network) == weights + norms + style == 4_145_091


def test_the_discriminator_is_table_8_at_three_scales() -> None:
    network = Discriminator()
    assert sizes(network.scales[0], torch.randn(1, 3, 256, 128)) == DISCRIMINATOR
    with torch.inference_mode():
        scores = network(torch.randn(2, 3, 256, 128))
    assert [tuple(s.shape) for s in scores] == [(2, 1, 64, 32), (2, 1, 32, 16), (2, 1, 16, 8)]
    convolutions = [(3, 32, 1), (32, 32, 9), (32, 32, 9), (32, 32, 9), (32, 64, 9)]
    convolutions += 8 * [(64, 64, 9)] + [(64, 1, 1)]
    one = sum(i * o * k + o for i, o, k in convolutions)
    assert count(network) == 3 * one == 1_025_571


def test_the_appearance_encoder_is_section_4_1() -> None:
    network = build("dgnet").eval()
    with torch.inference_mode():
        code = network.code(torch.randn(1, 3, 256, 128))
        pair = network.heads(code)
        assert code.shape[1:] == network.code_shape == (2048, 4, 1)
        assert (pair.primary.shape, pair.fine.shape) == ((1, 512), (1, 512))
        assert network(torch.randn(1, 3, 256, 128)).shape == (1, 1024)
    assert count(network) == 23_508_032 + 2 * (8192 * 512 + 2 * 512)  # ResNet-50 and the heads


@pytest.mark.parametrize(("height", "width"), [(64, 32), (128, 64), (64, 64)])
def test_a_quarter_of_the_width_at_other_sizes(height: int, width: int) -> None:
    encoder = build("dgnet", backbone="stripenet", dimension=64).eval()
    structure, decoder, discriminator = StructureEncoder(4), Decoder(160 * 4, 4), Discriminator(8)
    with torch.inference_mode():
        code = encoder.code(torch.randn(2, 3, height, width))
        layout = structure(torch.randn(2, 1, height, width))
        assert layout.shape == (2, 32, height // 4, width // 4)
        image = decoder(code, layout)
        assert image.shape == (2, 3, height, width)
        assert [len(score) for score in discriminator(image)] == [2, 2, 2]


def test_the_appearance_code_decides_scale_and_shift() -> None:
    """AdaIN by hand: instance norm, times one plus the scale, plus the shift."""
    torch.manual_seed(0)
    block = Decoder(4, 1).double().blocks[0]
    maps, style = torch.randn(1, 8, 6, 5).double(), torch.randn(1, 32).double()
    with torch.inference_mode():
        found = block(maps, style)
        wanted = maps
        for number, layer in enumerate((block.conv1, block.conv2)):
            scale, shift = style[0, 16 * number :][:8], style[0, 16 * number + 8 :][:8]
            wanted = layer(wanted)
            for channel in range(8):
                plane = wanted[0, channel]
                norm = (plane - plane.mean()) / (plane.var(correction=0) + 1e-5).sqrt()
                wanted[0, channel] = norm * (1 + scale[channel]) + shift[channel]
            if number == 0:
                wanted = torch.where(wanted > 0, wanted, 0.2 * wanted)
    torch.testing.assert_close(found, maps + wanted, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("own", [1.0, 0.05])
def test_appearance_has_a_say_from_the_start(seed: int, own: float) -> None:
    """Of the spread of the images of all pairs of codes; with torch's own start 2 to 4 %, and next
    to nothing of codes that are the same but for 5 %, as those of encoders that have learnt."""
    torch.manual_seed(seed)
    structure, decoder = StructureEncoder(4), Decoder(160 * 4, 4)
    codes = torch.rand(160, 4, 1) + own * torch.rand(8, 160, 4, 1)
    grey = 2 * torch.rand(8, 1, 8, 4) - 1
    with torch.inference_mode():
        layouts = structure(F.interpolate(grey, (64, 32), mode="bilinear"))
        pairs = codes.repeat_interleave(8, 0), layouts.repeat(8, 1, 1, 1)
        images = decoder(*pairs).unflatten(0, (8, 8))
    of_appearance = (images - images.mean(0)).square().mean()
    assert of_appearance > 0.2 * (images - images.mean((0, 1))).square().mean()


def test_one_image_can_be_darker_than_another() -> None:
    """What comes after the last layer norm keeps differences of brightness and of contrast."""
    torch.manual_seed(0)
    decoder = Decoder(4, 2)
    maps = torch.rand(1, 4, 8, 8)
    with torch.inference_mode():
        bright, dark = (decoder.conv5(decoder.conv4(decoder.conv3(m))) for m in (maps, maps / 4))
        other = decoder.conv5.bias[:, None, None] + (bright - decoder.conv5.bias[:, None, None]) / 4
    torch.testing.assert_close(dark, other)
