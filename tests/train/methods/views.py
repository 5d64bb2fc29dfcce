"""What GCL needs beside images: maps of where somebody is, and an encoder to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from reid_models import Description, InputSpec, build, save_encoder
from train.data import Sample
from train.structure.folder import TURNS, write_maps


def write_blocks(folder: Path, samples: Sequence[Sample]) -> None:
    """Maps of blocks that get narrower as they turn."""
    for number, sample in enumerate(samples):
        maps = []
        for turn in range(len(TURNS)):
            shown = np.zeros((32, 16), np.uint8)
            shown[5:, 2 + turn // 3 : 14 - turn // 3] = 60 + 20 * turn + number
            maps.append(shown)
        write_maps(folder, sample.path.stem, maps)


def write_encoder(file: Path, height: int = 64) -> None:
    """An encoder that knows nothing but colours."""
    torch.manual_seed(1)
    network = build("stripenet", dimension=32)
    description = Description(
        input=InputSpec(height=height, width=32),
        dimension=32,
        architecture="stripenet",
        arguments={"dimension": 32},
    )
    save_encoder(file, network.eval(), description)
