"""Data sets: a folder in Market-1501's layout, or simulated people."""

from __future__ import annotations

from pathlib import Path

from train.data.crops import Crops
from train.data.folder import DataSet, Sample, load_folder, read_image
from train.data.sampler import Draw, PKSampler
from train.data.simulated import PREFIX, simulated_folder
from train.data.transforms import Augmentation, Transform

__all__ = [
    "Augmentation",
    "Crops",
    "DataSet",
    "Draw",
    "PKSampler",
    "Sample",
    "Transform",
    "load_folder",
    "open_data",
    "read_image",
]


def open_data(name: str) -> DataSet:
    """The data set of ``--data``: a folder, or ``simulated[:key=value,...]``.

    Raises:
        TrainError: says what is wrong with the name, the options or the folder.
    """
    if name == PREFIX or name.startswith(f"{PREFIX}:"):
        return load_folder(simulated_folder(name), name=name)
    return load_folder(Path(name), name=Path(name).name)
