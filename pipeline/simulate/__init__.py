"""A simulated site with known truth: people, scenes, rendering, re-identification crops."""

from __future__ import annotations

from pipeline.simulate.crops import Crop, CropOptions, simulate_crops, simulated_crops
from pipeline.simulate.frames import render_training_frames
from pipeline.simulate.site import SiteOptions, simulate_site

__all__ = [
    "Crop",
    "CropOptions",
    "SiteOptions",
    "render_training_frames",
    "simulate_crops",
    "simulate_site",
    "simulated_crops",
]
