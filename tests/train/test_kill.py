"""A training that is killed, without a chance to say goodbye."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).parent / "camtrail-train"


@pytest.mark.slow
def test_goes_on_bit_for_bit_after_kill_9(market: Path, tmp_path: Path) -> None:
    small = ["height=64", "width=32", "arguments.dimension=32", "identities_per_batch=4"]
    small += ["epochs=5", "ema=0.99", "validation={share: 0.3, every: 2}"]

    def start(out: Path, workers: int, *more: str) -> subprocess.Popen[str]:
        """The number of workers changes nothing."""
        settings = [part for s in (*small, f"workers={workers}") for part in ("--set", s)]
        options = ["baseline", "--data", market, "--out", out, "--seed", "3", *settings, *more]
        return subprocess.Popen([COMMAND, *options], stderr=subprocess.PIPE, text=True)

    whole, part = tmp_path / "whole", tmp_path / "part"
    unbroken, killed = start(whole, 0), start(part, 1)
    assert killed.stderr is not None
    # The third epoch has begun when the second is told of. Then to the end of what is written:
    # it comes only when the worker, which has the same stderr, has left as well.
    for line in killed.stderr:
        if line.startswith("epoch 2/5"):
            killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not (part / "run.json").exists()
    resumed = start(part, 0, "--resume")
    for process in (unbroken, resumed):
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    a, b = (json.loads((folder / "run.json").read_text()) for folder in (whole, part))
    assert [e["losses"] for e in a["epochs"]] == [e["losses"] for e in b["epochs"]]
    assert [e["validation"] for e in a["epochs"]] == [e["validation"] for e in b["epochs"]]
    assert a["metrics"] == b["metrics"]
    assert a["kept_epoch"] == b["kept_epoch"]
