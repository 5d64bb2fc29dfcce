"""Reads what the simulation wrote, independently of the code that wrote it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np


@dataclass(frozen=True)
class Row:
    frame: int
    person: int
    x: float
    y: float
    w: float
    h: float
    visibility: float


def read_truth(path: Path) -> list[Row]:
    with path.open() as file:
        rows = list(csv.reader(file))
    assert all(len(row) == 9 and row[6] in "01" and row[7] == "1" for row in rows)
    assert all((row[6] == "1") == (float(row[8]) >= 0.25) for row in rows)
    return [Row(int(r[0]), int(r[1]), *map(float, r[2:6]), float(r[8])) for r in rows]


def read_frames(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (got := capture.read())[0]:
        frames.append(got[1])
    capture.release()
    return frames
