"""`camtrail-train generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import Data, Device, Json, Seed, open_named, print_values
from train.commands.progress import progress_bar


def generate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run of camtrail-train dgnet.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    each: Annotated[
        int, typer.Option("--each", min=1, help="Generated images for each training image.")
    ] = 1,
    with_real: Annotated[
        bool, typer.Option("--with-real", help="Put the real training images beside them.")
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write a data set of generated people: each in clothes of one, in the pose of another.

    They have the identity of whose clothes they wear. Query and gallery are those of the data.

    camtrail-train generate runs/dgnet --data simulated --out more --each 2 --with-real

    camtrail-train baseline --data more --out runs/with-more
    """
    from train.generation.write import pair_up, write_data_set
    from train.methods.dgnet_generator import load_generator

    generator, spec = load_generator(run, device)
    opened = open_named(data)
    pairings = pair_up(opened.train, each, seed)
    with progress_bar("generating", len(pairings)) as progress:
        write_data_set(generator, spec, opened, pairings, out, with_real, progress)
    people = len({pairing.wearer.identity for pairing in pairings})
    print_values({"folder": str(out), "generated": len(pairings), "identities": people}, as_json)
