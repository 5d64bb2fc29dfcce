"""Sheets of generated images, to be looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.generation.generator import Codes, Generator, Painter

Picture = npt.NDArray[np.uint8]

_GAP = 2  # pixels between images
_STEPS = 8  # images from one code to another


@torch.no_grad()
def sheets(generator: Generator, first: Tensor, second: Tensor) -> dict[str, Picture]:
    """All of them, by name; see the functions below.

    Args:
        generator: put into evaluation mode.
        first: normalised images (N, 3, H, W) of N people.
        second: other images of the same people.
    """
    generator.eval()
    device = next(generator.parameters()).device
    first, second = first.to(device), second.to(device)
    return {
        "grid": appearance_by_structure(generator, first, second),
        "reconstruction": reconstructions(generator, first, second),
        "swap": swaps(generator, first),
        "appearance_steps": interpolations(generator, first, "appearance"),
        "structure_steps": interpolations(generator, first, "structure"),
    }


@torch.no_grad()
def appearance_by_structure(generator: Generator, wearers: Tensor, poses: Tensor) -> Picture:
    """Each row one appearance, each column one structure, the real images at left and on top.

    Args:
        generator: in evaluation mode.
        wearers: normalised images (A, 3, H, W) that give their appearance.
        poses: normalised images (S, 3, H, W) that give their structure.
    """
    appearance, structure = generator.network.code(wearers), generator.structure_of(poses)
    rows = [torch.cat([torch.full_like(poses[:1], torch.inf), poses])]
    for wearer, code in zip(wearers, appearance, strict=True):
        made = generator.generate(Codes(code.expand(len(poses), *code.shape), structure))
        rows.append(torch.cat([wearer[None], made]))
    return sheet(generator, rows)


@torch.no_grad()
def reconstructions(generator: Generator, images: Tensor, siblings: Tensor) -> Picture:
    """Columns: an image, itself from its own codes, and with another image's appearance.

    Args:
        generator: in evaluation mode.
        images: normalised images (N, 3, H, W).
        siblings: other images of the same people.
    """
    codes = generator.codes(images)
    other = Codes(generator.network.code(siblings), codes.structure)
    columns = [images, generator.generate(codes), siblings, generator.generate(other)]
    return sheet(generator, list(torch.stack(columns, dim=1)))


@torch.no_grad()
def swaps(generator: Generator, images: Tensor) -> Picture:
    """Each row two people, then the first in the second's pose, and the second in the first's.

    Args:
        generator: in evaluation mode.
        images: normalised images (N, 3, H, W) of N people; each meets the next.
    """
    others = images.roll(-1, 0)
    mine, theirs = generator.codes(images), generator.codes(others)
    made = [
        generator.generate(Codes(mine.appearance, theirs.structure)),
        generator.generate(Codes(theirs.appearance, mine.structure)),
    ]
    return sheet(generator, list(torch.stack([images, others, *made], dim=1)))


@torch.no_grad()
def interpolations(generator: Generator, images: Tensor, of: str) -> Picture:
    """Each row from one person's code to the next one's in equal steps, the other code kept.

    Args:
        generator: in evaluation mode.
        images: normalised images (N, 3, H, W) of N people.
        of: ``appearance`` or ``structure``, the code that changes.
    """
    codes = generator.codes(images)
    rows = []
    for number in range(len(images)):
        follower = (number + 1) % len(images)
        steps = {
            name: torch.stack(
                [
                    torch.lerp(code[number], code[follower], share if name == of else 0.0)
                    for share in np.linspace(0, 1, _STEPS).tolist()
                ]
            )
            for name, code in codes._asdict().items()
        }
        made = generator.generate(Codes(**steps))
        rows.append(torch.cat([images[number][None], made, images[follower][None]]))
    return sheet(generator, rows)


def sheet(generator: Painter, rows: list[Tensor]) -> Picture:
    """Rows of normalised images (N, 3, H, W) as one picture; what is infinite is white."""
    pixels = np.stack([generator.pixels(row).numpy() for row in rows])
    height, width = pixels.shape[2:4]
    framed = np.full((*pixels.shape[:2], height + _GAP, width + _GAP, 3), 255, dtype=np.uint8)
    framed[:, :, :height, :width] = pixels
    return np.ascontiguousarray(framed.swapaxes(1, 2).reshape(len(rows) * (height + _GAP), -1, 3))
