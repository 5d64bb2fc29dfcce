"""What processes and folders take, and whether that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

Sample = dict[str, float]

_FIRST = 0.1  # share of the time in which everything may still grow


def of_process(name: str, pid: int | None) -> Sample:
    """Memory, file descriptors and threads of a process; None: of this one."""
    process = psutil.Process(pid)
    with process.oneshot():
        return {
            f"{name} MB": process.memory_info().rss / 1e6,
            f"{name} descriptors": process.num_fds(),
            f"{name} threads": process.num_threads(),
        }


def folder_bytes(folder: Path) -> int:
    """Of all files in it; what is deleted meanwhile is left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def growth(samples: Sequence[Sample]) -> list[dict[str, float | str]]:
    """Of each figure: at the first tenth's end, half-way, at the end, and the largest after the
    first tenth.
    """
    first = int(_FIRST * len(samples))
    rows: list[dict[str, float | str]] = []
    for name in samples[0]:
        values = [round(sample[name], 1) for sample in samples]
        rows.append(
            {
                "figure": name,
                "at 10 %": values[first],
                "at 50 %": values[len(values) // 2],
                "at the end": values[-1],
                "largest since 10 %": max(values[first:]),
            }
        )
    return rows
