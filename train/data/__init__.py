"""Data sets: public ones, crops of a site's own cameras, any folder, or simulated people."""

from __future__ import annotations

from train.data.crops import Crops
from train.data.dataset import DataSet, Sample
from train.data.images import read_image
from train.data.open import load_folder, open_data
from train.data.sampler import Draw, PKSampler
from train.data.split import split_identities
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
    "split_identities",
]
