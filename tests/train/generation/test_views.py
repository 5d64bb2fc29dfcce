"""GCL's generator: what its codes are, what they decide, and what lies where on its sheet."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reid_models import InputSpec, build
from train.errors import TrainError
from train.generation.generator import Codes
from train.generation.views import ViewGenerator, view_sheet

H, W = 66, 34  # of a picture on a sheet, with the gap


def make(parts: int = 4, height: int = 64, width: int = 32) -> ViewGenerator:
    torch.manual_seed(0)
    network = build("stripenet", dimension=16)
    return ViewGenerator(network, parts, 2, InputSpec(height=height, width=width)).eval()


def test_the_code_is_the_mean_of_each_part() -> None:
    generator, images = make(parts=3), torch.randn(2, 3, 96, 32)
    with torch.inference_mode():
        found = generator.identity_of(images)
        maps = generator.network.maps(images).double()
        row = generator.network(images)
    assert found.code.shape == (2, maps.shape[1], 3, 1)
    each = maps.shape[2] // 3
    for part in range(3):
        for channel in range(0, maps.shape[1], 40):
            own = maps[:, channel, part * each : (part + 1) * each].flatten(1)
            wanted = torch.tensor([sum(values) / len(values) for values in own.tolist()])
            torch.testing.assert_close(found.code[:, channel, part, 0], wanted)
    torch.testing.assert_close(found.row, row)


def test_both_codes_decide_the_image() -> None:
    generator = make()
    with torch.inference_mode():
        code = generator.identity_of(torch.randn(2, 3, 64, 32)).code
        structure = generator.structure_of(torch.rand(2, 1, 64, 32))
        own = generator.generate(Codes(code, structure))
        other = generator.generate(Codes(code.flip(0), structure))
        turned = generator.generate(Codes(code, structure.flip(0)))
    assert own.shape == (2, 3, 64, 32)
    assert (own - other).abs().max() > 1e-4
    assert (own - turned).abs().max() > 1e-4


def test_a_sheet_has_images_above_their_maps() -> None:
    generator = make()
    images, maps = torch.randn(2, 3, 64, 32), torch.rand(2, 5, 64, 32)
    sheet = view_sheet(generator, images, maps)
    assert sheet.shape == (4 * H, 6 * W, 3)

    def cell(row: int, column: int) -> np.ndarray:
        return sheet[row * H : row * H + 64, column * W : column * W + 32].astype(int)

    assert np.array_equal(cell(2, 0), generator.pixels(images[1:])[0].numpy())
    assert (cell(3, 0) == 255).all()
    shown = (255 * maps[1, 2]).round().numpy()[..., None]
    assert np.abs(cell(3, 3) - shown).max() <= 1
    with torch.inference_mode():
        codes = Codes(generator.identity_of(images).code, generator.structure_of(maps[:, 2:3]))
        made = generator.pixels(generator.generate(codes))[1].numpy()
    assert np.abs(cell(2, 3) - made).max() <= 1


@pytest.mark.parametrize(
    ("parts", "height", "width", "text"),
    [
        (4, 72, 32, "height=72: images are made of 16 pixels"),
        (4, 64, 24, "width=24: images are made of 16 pixels"),
        (4, 48, 32, "height=48: .* 4 parts; set height=64 or more, or parts=3"),
    ],
)
def test_sizes_that_cannot_be(parts: int, height: int, width: int, text: str) -> None:
    with pytest.raises(TrainError, match=text):
        make(parts, height, width)
