"""The file from which an interrupted run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from train.errors import TrainError

NAME = "checkpoint.pt"
_FORMAT = 2
_FREE = {"workers", "gradient_checkpointing"}  # settings that change no loss


def prepare_folder(out: Path, resume: bool) -> None:
    """Make the folder of a run.

    Raises:
        TrainError: there is something in it, or with ``resume`` no checkpoint.
    """
    if resume and not (out / NAME).is_file():
        raise TrainError(
            f"{out}: there is no {NAME} to resume from: the first is written after the first "
            "epoch; begin again, in a new folder"
        )
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: exists and is not empty; choose another folder, or --resume")
    out.mkdir(parents=True, exist_ok=True)


def save_checkpoint(file: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a checkpoint; the former one is replaced only by a whole one.

    Args:
        file: where.
        identity: what makes the run this run: method, settings, seed, data.
        state: tensors and plain values.

    Raises:
        TrainError: the disk is full or gone; the former checkpoint is as it was.
    """
    partial = file.with_suffix(".partial")
    try:
        with partial.open("wb") as stream:  # torch says nothing of the disk's errors for a path
            torch.save({"format": _FORMAT, "identity": identity, "state": state}, stream)
        partial.replace(file)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        rest = "the former one is whole: make room, then go on with --resume"
        if not file.exists():
            rest = "there is none yet: make room, then begin again"
        reason = _first(error)
        raise TrainError(f"{file}: the checkpoint cannot be written ({reason}); {rest}") from None


def _first(error: BaseException) -> BaseException:
    """What began it: torch hides the disk's error behind one of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def read_checkpoint(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Identity and state of a checkpoint, whatever run made it.

    Raises:
        TrainError: the file is missing or damaged, or holds more than tensors and plain values.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many classes for a damaged file
        reason = str(error).partition("\n")[0]
        raise TrainError(f"{file}: not a usable checkpoint ({reason})") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise TrainError(f"{file}: not a usable checkpoint (not of this version of camtrail)")
    if not isinstance(content.get("identity"), dict):
        raise TrainError(f"{file}: not a usable checkpoint (it does not say of which run it is)")
    return content["identity"], content["state"]


def load_checkpoint(file: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """The state of a checkpoint that was made by this very run.

    Raises:
        TrainError: see `read_checkpoint`; or it was made by another method, architecture, seed
            or data: names what differs.
    """
    found, state = read_checkpoint(file)
    faults = list(_differences(found, identity))
    if faults:
        raise TrainError(
            f"{file}: made with other settings ({'; '.join(faults)}); "
            "resume with the command and the data that began the run"
        )
    return state


def _differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in [*here, *(key for key in there if key not in here)]:
        if key in _FREE or there.get(key) == here.get(key):
            continue
        name, old, new = f"{prefix}{key}", there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, "" if key == "settings" else f"{name}.")
        else:
            found.append(f"{name}: {old} there, {new} here")
    return found
