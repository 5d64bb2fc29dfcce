"""The one place that decides how many threads a camera's process uses.

Left alone, torch, OpenCV and onnxruntime each take every core, in every process, and then wait
for each other.
"""

from __future__ import annotations

import os

import cv2


def share(cameras: int) -> int:
    """The threads of one of ``cameras`` processes on this host, at least 1."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, cameras))


def apply(threads: int) -> None:
    """Limits this process: torch to ``threads``, OpenCV to the caller's own.

    onnxruntime is told when a session is made, FFmpeg when a capture is opened.
    """
    import torch  # half a gigabyte, which those who only share networks do without

    torch.set_num_threads(threads)
    apply_without_networks()


def apply_without_networks() -> None:
    """Limits a process that runs none: OpenCV to the caller's own thread."""
    cv2.setNumThreads(0)
