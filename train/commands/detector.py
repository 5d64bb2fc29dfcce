"""`camtrail-train detector`."""

from __future__ import annotations

from typing import Annotated

import typer

from train.commands.options import Json, Out, Seed, command_line, print_values


def detector(
    out: Out,
    seed: Seed = 0,
    images: Annotated[int, typer.Option("--images", help="Training frames.")] = 1500,
    epochs: Annotated[int, typer.Option("--epochs")] = 30,
    image_size: Annotated[int, typer.Option("--image-size", help="Pixels.")] = 384,
    as_json: Json = False,
) -> None:
    """Train a YOLO nano person detector on simulated frames.

    camtrail-train detector --out runs/detector --seed 1 --images 1500 --epochs 30
    """
    from train.detector import train_detector

    result = train_detector(out, seed, images, epochs, image_size, command=command_line())
    print_values(result["held_out"], as_json, f"wrote {out / 'detector.pt'}")
