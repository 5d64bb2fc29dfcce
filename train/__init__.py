"""Offline: data, losses, methods and evaluation of re-identification; `camtrail-train`."""

from __future__ import annotations

import os

# Read by OpenMP when torch loads it: its threads otherwise spin while they wait, which starves
# the processes that prepare the data.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
