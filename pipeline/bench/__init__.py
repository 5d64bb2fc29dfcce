"""`camtrail bench`: how many cameras this machine follows, how soon, and how well."""

from pipeline.bench.step import BenchOptions, Step, run_step

__all__ = ["BenchOptions", "Step", "run_step"]
