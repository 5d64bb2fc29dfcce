"""What a piece of work holds, of which the size is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from train.bench.peak import Peak

GIB = 2**30


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux alone says it")
def test_a_peak_begins_again() -> None:
    peak = Peak(torch.device("cpu"))
    peak.begin()
    before = peak.gib()
    assert before is not None
    np.ones(GIB // 4, np.uint8)  # a quarter GiB, held for a moment
    assert peak.gib() == pytest.approx(before + 0.25, abs=0.05)
    peak.begin()
    assert peak.gib() == pytest.approx(before, abs=0.05)
