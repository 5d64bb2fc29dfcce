"""Settings with which a method trains on a few images in seconds."""

from __future__ import annotations

from train.methods.supervised import SupervisedSettings
from train.run import method_settings

SMALL = [
    "height=64",
    "width=32",
    "identities_per_batch=4",
    "images_per_identity=3",
    "warmup_epochs=1",
    "precision=fp32",
    "workers=0",
]
SIZES = {
    "baseline": ["arguments.dimension=32"],
    "scr": ["arguments.part_dimension=16", "arguments.branches=[[2,2]]"],
}


def small(method: str, *changes: str) -> SupervisedSettings:
    return method_settings(method, changes=[*SMALL, *SIZES[method], *changes])
