"""`camtrail-train ablate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from train.commands.judge import Inception, Judge
from train.commands.methods import Preset
from train.commands.options import Changes, Data, Json, Seed, command_line, open_to_measure

if TYPE_CHECKING:
    from train.ablate.rows import Study
    from train.ablate.tables import Table

ablate = typer.Typer(
    no_args_is_help=True, help="Fill a document's tables with measurements of your own data."
)
Out = Annotated[
    Path, typer.Option("--out", help="Folder of the study; what is there already is not repeated.")
]
_PLAIN = {
    "fidi": (
        "FIDI",
        """FIDI against triplet and contrastive loss: quality, errors of fidelity, alpha, beta, and
    shares of the training identities; 19 trainings of the method baseline.

    camtrail-train ablate fidi --data simulated --out studies/fidi --set epochs=15
    """,
    ),
    "scr": (
        "SCR",
        """SCR's partitions, branches, lambda, pooling over time, and attention; 11 trainings.

    camtrail-train ablate scr --data market1501:/data/Market-1501 --settings paper --out studies/scr
    """,
    ),
    "slsr": (
        "SLSR",
        """SLSR against learning from real images alone, LSR and LSRO; noise layers; numbers of
    clusters and of generated images; at most 21 trainings, each with its clusters and DCGANs.

    camtrail-train ablate slsr --data market1501:/data/Market-1501 --settings paper \
    --out studies/slsr
    """,
    ),
    "abmt": (
        "ABMT",
        """ABMT's components, branches and losses; 14 trainings, each with its own source step where
    a source is set.

    camtrail-train ablate abmt --data simulated --out studies/abmt --set source=simulated:seed=5
    """,
    ),
    "ice": (
        "ICE",
        """ICE's negatives, consistency, backbones, distance thresholds and losses, with cameras
    known and not; 15 trainings, one more for a ResNet that has a form with instance normalisation.

    camtrail-train ablate ice --data market1501:/data/Market-1501 --settings paper --out studies/ice
    """,
    ),
}
_JUDGED = {
    "fused_losses": (
        "Reconstruction losses",
        """Single reconstruction losses of DG-Net and sums of them: how real generated images look,
    and how good the encoder is; 12 trainings of the method dgnet, with one teacher.

    camtrail-train ablate fused-losses --data simulated --judge other.safetensors \
    --set teacher=runs/baseline/encoder.safetensors --out studies/fused
    """,
    ),
    "gcl": (
        "GCL",
        """GCL against the encoder that it begins with, generation or contrast alone, and one to
    three of its losses; how real generated views look; 6 trainings, with one generator's warm-up.

    camtrail-train ablate gcl --data simulated --judge other.safetensors --out studies/gcl \
    --set warm_up=runs/ice/encoder.safetensors --set structure=maps
    """,
    ),
}


def _plain(module: str, name: str) -> Callable[..., None]:
    """The command of a study that takes what all take, and nothing else."""

    def study(
        data: Data,
        out: Out,
        settings: Preset = "default",
        changes: Changes = None,
        seed: Seed = 0,
        as_json: Json = False,
    ) -> None:
        _run(name, _tables(module), data, out, settings, changes, seed, as_json)

    return study


def _judged(module: str, name: str) -> Callable[..., None]:
    """The command of a study whose generated images somebody judges."""

    def study(
        data: Data,
        out: Out,
        settings: Preset = "default",
        changes: Changes = None,
        seed: Seed = 0,
        judge: Judge = None,
        inception: Inception = None,
        as_json: Json = False,
    ) -> None:
        from reid_models import load_encoder
        from train.generation.quality import open_judge

        chosen = open_judge(load_encoder(judge) if judge else None, inception)
        tables = partial(_tables(module), judge=chosen)
        _run(name, tables, data, out, settings, changes, seed, as_json)

    return study


for _module, (_name, _help) in _PLAIN.items():
    ablate.command(_module, help=_help)(_plain(_module, _name))
for _module, (_name, _help) in _JUDGED.items():
    ablate.command(_module.replace("_", "-"), help=_help)(_judged(_module, _name))


@ablate.command()
def dgnet(
    data: Data,
    out: Out,
    settings: Preset = "default",
    changes: Changes = None,
    seed: Seed = 0,
    transfer: Annotated[
        list[str] | None,
        typer.Option(help="Data that the encoder is measured on as it is; as for --data."),
    ] = None,
    as_json: Json = False,
) -> None:
    """DG-Net's primary and fine-grained features, alone and together; without online feeding and
    identity supervision; alpha and beta; direct transfer to other data; 8 trainings.

    camtrail-train ablate dgnet --data simulated --transfer simulated:seed=9002 \
    --set teacher=runs/baseline/encoder.safetensors --out studies/dgnet
    """
    others = [open_to_measure(name) for name in transfer or []]
    tables = partial(_tables("dgnet"), others=others)
    _run("DG-Net", tables, data, out, settings, changes, seed, as_json)


def _tables(module: str) -> Callable[..., Iterator[list[Table]]]:
    """What fills a study's tables; imported when it is asked for, since torch takes seconds."""
    tables: Callable[..., Iterator[list[Table]]] = getattr(
        import_module(f"train.ablate.{module}"), f"{module}_tables"
    )
    return tables


def _run(
    name: str,
    tables: Callable[[Study], Iterator[list[Table]]],
    data: str,
    out: Path,
    settings: str,
    changes: list[str] | None,
    seed: int,
    as_json: bool,
) -> None:
    from train.ablate.rows import Study
    from train.ablate.tables import write_tables
    from train.evaluation import How

    opened = open_to_measure(data)
    study = Study(opened, out, settings, changes or [], seed, command_line())
    title = f"{name} on {opened.name}, seed {seed}"
    for filled in tables(study):
        write_tables(out, title, How().protocol, filled)
    file = out / ("tables.json" if as_json else "tables.md")
    print(file.read_text(encoding="utf-8"), end="")
