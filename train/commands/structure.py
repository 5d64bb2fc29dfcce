"""`camtrail-train structure` and `camtrail-train pose`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import (
    Data,
    Json,
    Out,
    Seed,
    command_line,
    open_named,
    print_values,
)
from train.commands.progress import progress_bar


def structure(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    pose: Annotated[
        Path | None,
        typer.Option(
            "--pose",
            help="Of camtrail-train pose, or YOLO-pose; without, the joints of simulated crops.",
        ),
    ] = None,
    height: Annotated[
        int, typer.Option("--height", min=16, max=1024, help="Of the maps, pixels.")
    ] = 128,
    width: Annotated[int, typer.Option("--width", min=16, max=1024)] = 64,
    as_json: Json = False,
) -> None:
    """Write how the people in the training images stand, seen from eight sides: what gcl needs.

    camtrail-train structure --data crops --pose runs/pose/pose.safetensors --out maps

    camtrail-train structure --data simulated --out maps
    """
    from train.structure.keypoints import found_poses, open_pose
    from train.structure.write import exact_poses, write_structure

    opened = open_named(data)
    model = open_pose(pose) if pose else None
    posed = found_poses(opened.train, model) if model else exact_poses(opened.train)
    with progress_bar("drawing", len(opened.train)) as progress:
        written = write_structure(posed, out, (height, width), progress)
    for path in written.without[:20]:
        print(f"nobody found: {path}", file=sys.stderr)
    values = {"folder": str(out), "images": written.images, "nobody found": len(written.without)}
    print_values(values, as_json)


def pose(
    out: Out,
    seed: Seed = 0,
    people: Annotated[int, typer.Option("--people", help="To learn from.")] = 200,
    epochs: Annotated[int, typer.Option("--epochs")] = 20,
    as_json: Json = False,
) -> None:
    """Train a small pose network on crops of simulated people, for `structure`.

    camtrail-train pose --out runs/pose --seed 1 --people 200 --epochs 20
    """
    from train.structure.pose import POSE, train_pose

    result = train_pose(out, seed, people, epochs, command_line())
    print_values(result["held_out"], as_json, f"wrote {out / POSE}")
