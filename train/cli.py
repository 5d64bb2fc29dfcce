"""The command `camtrail-train`."""

from __future__ import annotations

import sys

import typer

from train.commands.detector import detector
from train.commands.evaluate import evaluate_encoder
from train.commands.methods import baseline
from train.errors import TrainError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

app.command()(baseline)
app.command("eval")(evaluate_encoder)
app.command()(detector)


def main() -> None:
    """Run the command; what the user did wrong ends in one line on stderr and status 2."""
    from pipeline.errors import CamtrailError  # the simulator's
    from reid_models import EncoderError

    try:
        app()
    except (TrainError, EncoderError, CamtrailError) as error:
        print(f"camtrail-train: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("camtrail-train: interrupted", file=sys.stderr)
        sys.exit(130)
