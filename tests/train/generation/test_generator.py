"""Images to codes and back, and sizes that cannot be."""

from __future__ import annotations

import pytest
import torch

from reid_models import InputSpec, build
from train.errors import TrainError
from train.generation.generator import Codes, Generator


def make(height: int = 64, width: int = 32, **arguments: object) -> Generator:
    torch.manual_seed(0)
    chosen = {"backbone": "stripenet", "dimension": 16, **arguments}
    spec = InputSpec(height=height, width=width)
    return Generator(build("dgnet", **chosen), 2, False, spec).eval()  # type: ignore[arg-type]


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    spec = InputSpec(height=64, width=32)
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)


def test_pixels_come_back() -> None:
    pixels = torch.randint(0, 256, (2, 64, 32, 3), dtype=torch.uint8)
    assert torch.equal(make().pixels(normalised(pixels)), pixels)
    assert make().pixels(normalised(pixels) + 100).eq(255).all()


def test_the_structure_encoder_sees_no_colour() -> None:
    """Red, green and blue of one brightness are one structure."""
    generator = make()
    colours = torch.tensor([[200, 0, 0], [0, 200 * 0.299 / 0.587, 0], [0, 0, 200 * 0.299 / 0.114]])
    pixels = colours[:, None, None, :].repeat(1, 64, 32, 1)
    pixels[:, 20:40] = 0.5 * pixels[:, 20:40]
    with torch.inference_mode():
        red, green, blue = generator.structure_of(normalised(pixels))
        appearance = generator.codes(normalised(pixels)).appearance
    torch.testing.assert_close(green, red, atol=1e-3, rtol=0)
    torch.testing.assert_close(blue, red, atol=1e-3, rtol=0)
    assert (appearance[0] - appearance[1]).abs().max() > 1e-2


def test_both_codes_decide_the_image() -> None:
    generator = make()
    with torch.inference_mode():
        codes = generator.codes(torch.randn(2, 3, 64, 32))
        own, other = (
            generator.generate(codes),
            generator.generate(Codes(codes.appearance.flip(0), codes.structure)),
        )
        third = generator.generate(Codes(codes.appearance, codes.structure.flip(0)))
    assert own.shape == (2, 3, 64, 32)
    assert (own - other).abs().max() > 1e-4
    assert (own - third).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("height", "width", "arguments", "text"),
    [
        (72, 32, {}, "height=72: images are made of 16 pixels"),
        (64, 24, {}, "width=24: images are made of 16 pixels"),
        (48, 32, {}, r"height=48: .* 4 parts; set height=64 or more, or arguments.parts=3"),
        (64, 32, {"backbone": "resnet18"}, r"height=64: too small .* set height=128 or more"),
    ],
)
def test_sizes_that_cannot_be(
    height: int, width: int, arguments: dict[str, object], text: str
) -> None:
    with pytest.raises(TrainError, match=text):
        make(height, width, **arguments)
