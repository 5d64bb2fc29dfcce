"""The command `camtrail`. A command imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

import os
import sys

import typer

from pipeline.cli import (
    access,
    again,
    ask,
    corrections,
    detector,
    learning,
    live,
    notify,
    setup,
    storage,
    trial,
)
from pipeline.errors import CamtrailError

app = typer.Typer(
    name="camtrail",
    help="Follow people across cameras: who was seen where, and when.",
    epilog="Start with: camtrail demo, or camtrail init for your own cameras.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (
    setup,
    live,
    ask,
    corrections,
    access,
    detector,
    learning,
    storage,
    notify,
    again,
    trial,
):
    app.add_typer(part.app)


def main() -> None:
    """Runs the command line; what a user did wrong becomes lines on stderr and exit status 2.

    What it writes is about people: the user's alone, unless they open it to others themselves.
    """
    os.umask(0o077)
    try:
        app()
    except CamtrailError as error:
        print(f"camtrail: {error}", file=sys.stderr)
        sys.exit(2)
    except ImportError as error:
        if "cannot open shared object file" not in str(error):
            raise
        packages = "apt-get install libgl1 libglib2.0-0"
        print(f"camtrail: a library of the system is missing: {error}; {packages}", file=sys.stderr)
        sys.exit(2)
