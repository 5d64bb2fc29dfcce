"""Which thresholds decide better on recordings of sites whose truth is known."""

from pipeline.tune.search import Setting, Tuned, candidates, tune

__all__ = ["Setting", "Tuned", "candidates", "tune"]
