"""Runtimes of the networks that a camera's process uses: person detector and encoder."""

from __future__ import annotations

import os

# Read by OpenMP when torch loads it. Its threads otherwise wait by spinning, and where other
# processes want the cores too that makes a network ten times slower (measured: 484 ms, not 58).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
