from __future__ import annotations

import os
from collections.abc import Iterator

import cv2
import pytest
import torch

from pipeline.inference import threads


@pytest.fixture
def as_before() -> Iterator[None]:
    torchs, opencvs = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(torchs)
    cv2.setNumThreads(opencvs)


def test_cameras_share_the_cores_and_each_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert [threads.share(cameras) for cameras in (1, 2, 3, 8, 50)] == [8, 4, 2, 1, 1]


def test_torch_gets_the_share_and_waits_without_spinning(as_before: None) -> None:
    torch.set_num_threads(3)
    cv2.setNumThreads(3)
    threads.apply(1)
    assert torch.get_num_threads() == 1
    assert cv2.getNumThreads() == 1
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
