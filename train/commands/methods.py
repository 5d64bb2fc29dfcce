"""`camtrail-train METHOD`: trains an encoder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from train.methods.baseline import Epoch


def baseline(
    data: Data,
    out: Out,
    changes: Changes = None,
    seed: Seed = 0,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train an encoder: identity classification and batch-hard triplets.

    camtrail-train baseline --data simulated --out runs/first --set epochs=20
    """
    from train.methods.baseline import BaselineSettings, train_baseline
    from train.methods.settings import load_settings

    settings = load_settings(BaselineSettings, "baseline.yaml", changes or [])
    result = train_baseline(
        open_named(data), out, settings, seed, resume, command=command_line(), report=_print_epoch
    )
    print_values(result["metrics"], as_json, f"wrote {out / 'encoder.safetensors'}")


def _print_epoch(epoch: Epoch) -> None:
    print(
        f"epoch {epoch.number}/{epoch.of}  identity {epoch.identity_loss:.3f}  "
        f"triplet {epoch.triplet_loss:.3f}  accuracy {epoch.accuracy:.3f}  "
        f"{epoch.seconds:.0f} s  {epoch.remaining / 60:.1f} min left",
        file=sys.stderr,
        flush=True,
    )
