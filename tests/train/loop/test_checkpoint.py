"""Checkpoints of strangers, of other settings, and on a full disk."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from tests.full_disk import no_file_beyond
from tests.train.loop.toy import Toy, loop_settings, make_loop, silent, stop_after
from train.errors import TrainError
from train.loop import Epoch
from train.loop.checkpoint import load_checkpoint, prepare_folder, save_checkpoint

IDENTITY = {"method": "m", "settings": {"epochs": 3, "loss": {"name": "a"}, "workers": 1}}


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    state = {"model": {"w": torch.arange(3)}, "best": (0.5, 2, {}), "none": None}
    save_checkpoint(file, IDENTITY, state)
    found = load_checkpoint(file, IDENTITY)
    assert torch.equal(found.pop("model")["w"], torch.arange(3))
    assert found == {"best": (0.5, 2, {}), "none": None}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_full_disk_leaves_the_former_one(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, IDENTITY, {"epoch": 1})
    with (
        no_file_beyond(100_000),
        pytest.raises(TrainError, match=r"cannot be written .*the former one is whole: make room"),
    ):
        save_checkpoint(file, IDENTITY, {"epoch": 2, "large": torch.zeros(1_000_000)})
    assert load_checkpoint(file, IDENTITY) == {"epoch": 1}
    assert not file.with_suffix(".partial").exists()


def test_a_full_disk_at_the_first_checkpoint(tmp_path: Path) -> None:
    with no_file_beyond(10), pytest.raises(TrainError, match="there is none yet: make room"):
        save_checkpoint(tmp_path / "checkpoint.pt", IDENTITY, {"large": torch.zeros(1000)})
    assert list(tmp_path.iterdir()) == []


def test_a_run_survives_a_full_disk(tmp_path: Path) -> None:
    class Large(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.models["memory"] = torch.nn.Linear(1000, 100).requires_grad_(False)

    whole = make_loop(tmp_path / "whole", Large)
    whole.fit(silent)
    with ExitStack() as full:

        def fill(epoch: Epoch) -> None:
            if epoch.number == 2:
                full.enter_context(no_file_beyond(50_000))

        with pytest.raises(TrainError, match="the former one is whole"):
            make_loop(tmp_path / "run", Large).fit(fill)
    loop = make_loop(tmp_path / "run", Large, resume=True)
    assert len(loop.history) == 2
    loop.fit(silent)
    assert [e.losses for e in loop.history] == [e.losses for e in whole.history]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"method": "n"}, r"method: m there, n here"),
        ({"settings": IDENTITY["settings"] | {"epochs": 4}}, r"epochs: 3 there, 4 here"),
        (
            {"settings": IDENTITY["settings"] | {"loss": {"name": "b"}}},
            r"loss\.name: a there, b here",
        ),
        ({"seed": 1}, r"seed: None there, 1 here"),
    ],
)
def test_names_what_differs(change: dict[str, object], text: str, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, IDENTITY, {})
    with pytest.raises(TrainError, match=f"made with other settings \\({text}\\)"):
        load_checkpoint(file, IDENTITY | change)


def test_what_changes_no_loss_may_differ(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, IDENTITY, {"a": 1})
    other = IDENTITY | {"settings": IDENTITY["settings"] | {"workers": 4}}
    assert load_checkpoint(file, other) == {"a": 1}


def test_strangers_are_not_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    for content in ({"format": 2, "state": Path("/")}, {"weights": {}}, [1]):
        torch.save(content, file)
        with pytest.raises(TrainError, match="not a usable checkpoint"):
            load_checkpoint(file, IDENTITY)
    file.write_bytes(b"PK nothing")
    with pytest.raises(TrainError, match="not a usable checkpoint"):
        load_checkpoint(file, IDENTITY)


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, IDENTITY, {"w": torch.zeros(10_000)})
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(TrainError, match="not a usable checkpoint"):
        load_checkpoint(file, IDENTITY)


def test_folders_that_are_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(TrainError, match="exists and is not empty"):
            prepare_folder(path, resume=False)
    with pytest.raises(TrainError, match=r"no checkpoint\.pt to resume from.* begin again"):
        prepare_folder(tmp_path / "new", resume=True)


def test_other_settings_are_refused_by_a_run(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_loop(tmp_path / "run").fit(stop_after(1))
    with pytest.raises(TrainError, match="epochs: 3 there, 9 here"):
        make_loop(tmp_path / "run", settings=loop_settings(epochs=9), resume=True)
