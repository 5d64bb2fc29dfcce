"""`camtrail-train METHOD` trains an encoder; `camtrail-train config METHOD` shows its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from train.commands.options import (
    Changes,
    Data,
    Json,
    Out,
    Resume,
    Seed,
    command_line,
    open_named,
    print_values,
)

METHODS = {
    "baseline": "Train an encoder: identity classification and a metric loss.",
    "scr": "Train an encoder of spatial and channel parts (SCR).",
    "dgnet": "Train an encoder and a generator of people together (DG-Net); needs a teacher.",
    "slsr": "Train an encoder on real images and on images generated for clusters of them (SLSR).",
    "ice": "Train an encoder without labels: clusters, proxies and instance contrasts (ICE).",
    "abmt": "Train an encoder without labels, or adapt one to them from a source that has some "
    "(ABMT).",
    "gcl": "Make an encoder without labels better by a generator that turns people round (GCL); "
    "needs structure maps.",
}
_EXAMPLES = {  # what they cannot do without
    "dgnet": "teacher=runs/teacher/encoder.safetensors",
    "gcl": "warm_up=runs/ice/encoder.safetensors --set structure=maps",
}
Preset = Annotated[
    str,
    typer.Option(
        "--settings", help="A preset (default, paper; dgnet: full), or a YAML file of your own."
    ),
]


def training_command(method: str, summary: str) -> Callable[..., None]:
    """The command that trains by ``method``."""

    def train(
        data: Data,
        out: Out,
        settings: Preset = "default",
        changes: Changes = None,
        seed: Seed = 0,
        resume: Resume = False,
        as_json: Json = False,
    ) -> None:
        from train.run import ENCODER, method_settings, train_encoder

        chosen = method_settings(method, settings, changes or [])
        opened = open_named(data)
        result = train_encoder(method, opened, out, chosen, seed, resume, command_line())
        if result:  # of several processes the first has it
            print_values(result["metrics"], as_json, f"wrote {out / ENCODER}")

    train.__doc__ = f"""{summary}

    camtrail-train {method} --data simulated --out runs/first \
--set {_EXAMPLES.get(method, "epochs=20")}

    torchrun --nproc-per-node 2 --no-python camtrail-train {method} --data ... --out ...
    """
    return train


def config(
    method: Annotated[str, typer.Argument(help=f"One of: {', '.join(METHODS)}.")],
    settings: Preset = "default",
) -> None:
    """Show every setting of a method, with its meaning; --settings takes the file that this makes.

    camtrail-train config scr --settings paper > mine.yaml
    """
    from train.methods import kind
    from train.methods.settings import settings_text

    kind(method)
    print(settings_text(method, settings), end="")
