"""The command ``camtrail``, run as a process: the live system is not imported here."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from train.errors import TrainError

_OURS = "camtrail: "  # how its last words begin


def ask(*arguments: str | Path) -> dict[str, Any]:
    """What the command answers with ``--json``; what it says meanwhile is passed on to stderr.

    Raises:
        TrainError: it did not succeed; with its own last words.
    """
    words = [*map(str, arguments), "--json"]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as answer,
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *words],
            stdout=answer,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        last = ""
        for line in process.stderr:
            last = line.strip() or last
            if not line.startswith(_OURS):
                print(line, end="", file=sys.stderr, flush=True)
        status = process.wait()
        answer.seek(0)
        text = answer.read()
    if status != 0:
        reason = last.removeprefix(_OURS) or f"it ended with status {status}"
        raise TrainError(f"`camtrail {' '.join(words[:2])}` did not succeed: {reason}")
    values: dict[str, Any] = json.loads(text)
    return values
