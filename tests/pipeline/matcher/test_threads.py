"""The matcher leaves the cores to the workers."""

from __future__ import annotations

import subprocess
import sys

ASK = """
import faiss, numpy, scipy.linalg, scipy.optimize
from threadpoolctl import threadpool_info
from pipeline.matcher.threads import keep_to_one_thread
before = [pool["num_threads"] for pool in threadpool_info()]
keep_to_one_thread()
print(len(before), {pool["num_threads"] for pool in threadpool_info()})
"""


def test_no_library_takes_more_than_one_thread() -> None:
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    pools, threads = said.stdout.split(maxsplit=1)
    assert int(pools) > 0
    assert threads.strip() == "{1}"
