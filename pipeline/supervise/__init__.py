"""Runs a whole site on one host: Redis, a worker a camera, the matcher; restarts what dies."""

from pipeline.supervise.site import run_site

__all__ = ["run_site"]
