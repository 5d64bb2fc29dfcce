"""`camtrail demo`: the whole system on a simulated site, measured against the truth."""

from pipeline.demo.run import run_demo

__all__ = ["run_demo"]
