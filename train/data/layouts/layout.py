"""What a layout is: how a folder of its kind is recognised and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train.data.dataset import Found, Sample
from train.errors import TrainError

Options = Mapping[str, str]


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Attributes:
        name: in ``--data NAME:FOLDER``.
        holds: what the folder must hold, for messages.
        fits: whether a folder looks like it.
        find: reads lists and names, but opens no image.
        options: what may stand behind the folder, each with its values, the default first.
    """

    name: str
    holds: str
    fits: Callable[[Path], bool]
    find: Callable[[Path, Options], Found]
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)


def has(folder: Path, *names: str) -> bool:
    """Whether all of the names are in the folder."""
    return all((folder / name).exists() for name in names)


def require(folder: Path, what: str, *names: str) -> None:
    """Raises `TrainError` that lists what is missing of a layout; ``what`` describes it."""
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise TrainError(f"{folder}: {', '.join(missing)} missing; {what}")


def read_lines(path: Path) -> list[str]:
    """The lines of a list that are not empty.

    Raises:
        TrainError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"{path}: cannot be read: {error}") from None
    return [line.strip() for line in lines if line.strip()]


def on_disk(samples: Iterable[Sample], listed_in: Path, left_out: list[str]) -> list[Sample]:
    """The samples whose files exist; the others go to ``left_out``."""
    kept = []
    for sample in samples:
        if sample.path.is_file():
            kept.append(sample)
        else:
            left_out.append(f"{sample.path}: listed in {listed_in.name}, but missing")
    return kept


def read_mat(path: Path, *names: str) -> list[Any]:
    """The arrays of these names in a MATLAB file (version 5 to 7).

    Raises:
        TrainError: it cannot be read, or holds no such arrays.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(path)
    except Exception as error:  # loadmat raises many kinds for a damaged file
        raise TrainError(f"{path}: not a readable .mat file ({error})") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise TrainError(f"{path}: holds no {', '.join(missing)}")
    return [found[name] for name in names]
