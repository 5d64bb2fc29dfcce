"""What a piece of work holds, of which the size is known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: in one that has run other tests, what these left may be let go meanwhile.
_WORK = """
import json, numpy, torch
from train.bench.peak import Peak

peak = Peak(torch.device("cpu"))
peak.begin()
found = [peak.gib()]
numpy.ones(2**28, numpy.uint8)  # a quarter GiB, held for a moment
found.append(peak.gib())
peak.begin()
found.append(peak.gib())
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux alone says it")
def test_a_peak_begins_again() -> None:
    done = subprocess.run([sys.executable, "-c", _WORK], stdout=subprocess.PIPE, check=True)
    before, during, after = json.loads(done.stdout)
    assert during == pytest.approx(before + 0.25, abs=0.05)
    assert after == pytest.approx(before, abs=0.05)
