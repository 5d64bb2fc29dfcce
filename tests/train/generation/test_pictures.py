"""What lies where on the sheets."""

from __future__ import annotations

import numpy as np
import torch

from tests.train.generation.test_generator import make
from train.generation.generator import Codes
from train.generation.pictures import appearance_by_structure, interpolations, sheets

H, W = 66, 34  # with the gap


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    return sheet[row * H : row * H + 64, column * W : column * W + 32]


def test_the_grid() -> None:
    generator, wearers, poses = make(), torch.randn(2, 3, 64, 32), torch.randn(3, 3, 64, 32)
    sheet = appearance_by_structure(generator, wearers, poses)
    assert sheet.shape == (3 * H, 4 * W, 3)
    assert sheet.dtype == np.uint8
    assert (cell(sheet, 0, 0) == 255).all()
    assert np.array_equal(cell(sheet, 0, 3), generator.pixels(poses[2:])[0].numpy())
    assert np.array_equal(cell(sheet, 2, 0), generator.pixels(wearers[1:])[0].numpy())
    with torch.inference_mode():
        appearance = generator.network.code(wearers)[1:]
        made = generator.generate(Codes(appearance, generator.structure_of(poses)[2:]))
    shown = cell(sheet, 2, 3).astype(int)
    assert np.abs(shown - generator.pixels(made)[0].numpy()).max() <= 1


def test_interpolation_begins_and_ends_with_the_codes() -> None:
    generator, images = make(), torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        codes = generator.codes(images)
        swapped = generator.generate(Codes(codes.appearance.flip(0), codes.structure))
        own = generator.generate(codes)
    sheet = interpolations(generator, images, "appearance")
    for place, wanted in ((1, own[0]), (8, swapped[0])):
        found = cell(sheet, 0, place).astype(int)
        assert np.abs(found - generator.pixels(wanted[None])[0].numpy()).max() <= 1
    assert (cell(sheet, 0, 4) != cell(sheet, 0, 1)).any()


def test_every_sheet_has_its_size() -> None:
    images = torch.randn(3, 3, 64, 32)
    shapes = {name: s.shape[:2] for name, s in sheets(make().train(), images, images).items()}
    assert shapes == {
        "grid": (4 * H, 4 * W),
        "reconstruction": (3 * H, 4 * W),
        "swap": (3 * H, 4 * W),
        "appearance_steps": (3 * H, 10 * W),
        "structure_steps": (3 * H, 10 * W),
    }
