"""`camtrail-train judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import Data, Device, Json, Seed, open_named, print_values

Judge = Annotated[
    Path | None,
    typer.Option(
        "--judge", help="An encoder that RUN never trained; in its space, in place of FID."
    ),
]
Inception = Annotated[
    Path | None,
    typer.Option(
        "--inception", help="FID's Inception weights; they are downloaded where none are given."
    ),
]


def judge_images(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run of camtrail-train dgnet.")
    ],
    data: Data,
    judge: Judge = None,
    inception: Inception = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure the people that a DG-Net generates from the training images: how real they look,
    beside real and blurred images; how diverse they are; and, by an encoder, how many are
    recognised as the person whose clothes they wear.

    camtrail-train judge runs/dgnet --data simulated --judge other.safetensors
    """
    from reid_models import load_encoder
    from train.generation.quality import open_judge, quality
    from train.methods.dgnet_generator import load_generator

    chosen = open_judge(load_encoder(judge, device) if judge else None, inception)
    generator, spec = load_generator(run, device)
    print_values(quality(generator, spec, open_named(data).train, chosen, seed), as_json)
