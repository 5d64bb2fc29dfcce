"""Labelled boxes of one camera, and how the truth is read: MOT text files.

A line is ``frame,id,x,y,w,h[,counts[,...]]``: frame 1-based, the box in pixels with its upper left
corner, ``counts`` 0 for a region that is ignored (a detection there is neither right nor wrong).
Identities are shared by the cameras.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import CamtrailError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MAX_TRUTH_BYTES = 1_000_000_000
_BEYOND = 2**53  # from here on a float, through which the numbers go, is not exact


@dataclass(frozen=True)
class Boxes:
    """Labelled boxes of one camera: ``frames`` (n,) 1-based, ``ids`` (n,), ``boxes`` (n, 4) px."""

    frames: Ints
    ids: Ints
    boxes: Floats

    def __len__(self) -> int:
        return len(self.frames)

    def keep(self, mask: npt.NDArray[np.bool_]) -> Boxes:
        """The rows where ``mask`` (n,) is true."""
        return Boxes(self.frames[mask], self.ids[mask], self.boxes[mask])

    @staticmethod
    def of(rows: Iterable[tuple[int, int, float, float, float, float]]) -> Boxes:
        """From rows ``(frame, id, x1, y1, x2, y2)``."""
        table = np.array(list(rows), np.float64).reshape(-1, 6)
        return Boxes(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])


@dataclass(frozen=True)
class Truth:
    """The truth of one camera: the people, and the regions that do not count."""

    people: Boxes
    ignored: Boxes = field(default_factory=lambda: Boxes.of([]))


def read_truth(folder: Path, cameras: Iterable[str]) -> dict[str, Truth]:
    """Reads ``folder/CAMERA.gt.txt`` for each camera.

    Raises:
        CamtrailError: the folder or a camera's file is missing, a row does not make sense (named
            with file and line), or no row of any camera counts.
    """
    if not folder.is_dir():
        raise CamtrailError(f"{folder}: no such folder; --truth takes one with CAMERA.gt.txt files")
    truth = {camera: _read_file(folder / f"{camera}.gt.txt", camera) for camera in cameras}
    if not any(len(camera.people) for camera in truth.values()):  # one may have seen nobody
        raise CamtrailError(f"{folder}: no file holds a row that counts: frame,id,x,y,w,h,1")
    return truth


def _read_file(path: Path, camera: str) -> Truth:
    try:
        if path.stat().st_size > MAX_TRUTH_BYTES:
            raise CamtrailError(f"{path}: larger than {MAX_TRUTH_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise CamtrailError(
            f"{path}: no such file; the truth of camera '{camera}' is missing"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CamtrailError(f"{path}: cannot be read: {error}") from None
    people: list[tuple[int, int, float, float, float, float]] = []
    ignored: list[tuple[int, int, float, float, float, float]] = []
    seen: dict[tuple[int, int], int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row, counts = _parse(line, f"{path}:{number}")
        if not counts:
            ignored.append(row)
            continue
        if first := seen.get(row[:2]):
            raise CamtrailError(
                f"{path}:{number}: id {row[1]} is already in frame {row[0]} (line {first})"
            )
        seen[row[:2]] = number
        people.append(row)
    return Truth(Boxes.of(people), Boxes.of(ignored))


def _parse(line: str, place: str) -> tuple[tuple[int, int, float, float, float, float], bool]:
    cells = line.split(",")
    if len(cells) < 6:
        raise CamtrailError(f"{place}: {len(cells)} columns; expected frame,id,x,y,w,h,...")
    try:
        frame, identity, x, y, width, height, counts = map(
            float, [*cells[:6], *cells[6:7], "1"][:7]
        )
    except ValueError as error:
        raise CamtrailError(f"{place}: {error}") from None
    if not np.isfinite([frame, identity, x, y, width, height]).all():
        raise CamtrailError(f"{place}: a value is not a finite number")
    for cell, value in zip(cells, (frame, identity, x, y, width, height), strict=False):
        if abs(value) >= _BEYOND:
            raise CamtrailError(f"{place}: {cell.strip()} is too large; allowed: below {_BEYOND}")
    if frame < 1 or frame != int(frame) or identity != int(identity):
        raise CamtrailError(f"{place}: frame and id are whole numbers, and frames begin at 1")
    if width <= 0 or height <= 0:
        raise CamtrailError(f"{place}: width and height must be above 0, not {width} x {height}")
    return (int(frame), int(identity), x, y, x + width, y + height), counts != 0
