"""Two real processes that meet through gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.loop.toy import Toy, loop_settings, make_loop, silent
from train.data import load_folder
from train.errors import TrainError


def torchrun(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Two processes of a program."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*launcher, "--nproc-per-node", "2", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """The mean of the halves' gradients is the gradient of the batch's mean."""
    done = torchrun("-m", "tests.train.loop.spread", tmp_path)
    assert done.returncode == 0, done.stderr
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    alone = make_loop(tmp_path / "alone", settings=loop_settings(accumulation=2))
    alone.fit(silent)
    assert isinstance(alone.method, Toy)
    assert one["weights"] == other["weights"]
    for name, value in alone.weights().items():
        assert one["weights"][name] == [pytest.approx(row, abs=1e-6) for row in value.tolist()]
    assert one["losses"] == other["losses"]
    losses = [epoch.losses["loss"] for epoch in alone.history]
    assert one["losses"] == pytest.approx(losses, abs=1e-6)
    assert one["seen"] == [number for number in alone.method.seen if number % 4 < 2]
    assert other["seen"] == [number for number in alone.method.seen if number % 4 >= 2]


@pytest.mark.slow
def test_the_first_process_alone_writes(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ["height=64", "width=32", "arguments.dimension=32", "identities_per_batch=4"]
    small += ["epochs=2", "workers=0", "validation={share: 0.3, every: 1}"]
    changes = [part for change in small for part in ("--set", change)]
    command = Path(sys.executable).parent / "camtrail-train"
    options = ["baseline", "--data", market, "--out", out, *changes, "--json"]
    done = torchrun("--no-python", command, *options)
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "run.json").read_text())
    assert result["processes"] == 2
    assert json.loads(done.stdout) == result["metrics"]
    assert done.stderr.count("epoch 2/2") == 1
    assert len(list((out / "tensorboard").iterdir())) == 1


def test_a_batch_of_which_each_process_gets_too_little(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import PartialState

    from tests.train.methods.small import small
    from train.methods.baseline import BaselineMethod

    PartialState()
    monkeypatch.setitem(PartialState._shared_state, "num_processes", 3)
    with pytest.raises(TrainError, match="a multiple of 3, at least 6"):
        BaselineMethod(small("baseline"), load_folder(market, "m").train, 0, "")
