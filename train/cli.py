"""The command `camtrail-train`."""

from __future__ import annotations

import sys
import warnings
from typing import TextIO

import typer

from train.commands.ablate import ablate
from train.commands.bench import bench
from train.commands.cross_domain import cross_domain
from train.commands.data import show_data
from train.commands.deliver import compare, export
from train.commands.detector import detector
from train.commands.evaluate import evaluate_encoder
from train.commands.generate import generate
from train.commands.judge import judge_images
from train.commands.methods import METHODS, config, training_command
from train.commands.options import is_first_process
from train.commands.reproduce import reproduce
from train.commands.results import results
from train.commands.retrain import retrain
from train.commands.structure import pose, structure
from train.errors import TrainError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

for _method, _summary in METHODS.items():
    app.command(_method)(training_command(_method, _summary))
app.command()(config)
app.command("eval")(evaluate_encoder)
app.command()(cross_domain)
app.command()(detector)
app.command("data")(show_data)
app.command()(pose)
app.command()(structure)
app.command()(generate)
app.command("judge")(judge_images)
app.command()(export)
app.command()(compare)
app.add_typer(ablate, name="ablate")
app.command()(retrain)
app.command()(reproduce)
app.command()(results)
app.command()(bench)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours are meant for the user, who does not care for the line of code; others' are not."""
    if category is UserWarning and is_first_process():
        print(f"camtrail-train: {message}", file=sys.stderr)


def main() -> None:
    """Run the command; what the user did wrong ends in one line on stderr and status 2."""
    from pipeline.errors import CamtrailError  # the simulator's
    from reid_models import EncoderError

    warnings.showwarning = _show_warning
    try:
        app()
    except (TrainError, EncoderError, CamtrailError, OSError) as error:
        print(f"camtrail-train: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which nobody may have imported
            raise
        print(
            "camtrail-train: out of GPU memory; set smaller images or batches, use --device cpu "
            "where there is one, or a GPU that nothing else uses",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        print("camtrail-train: interrupted", file=sys.stderr)
        sys.exit(130)
