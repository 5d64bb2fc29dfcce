"""What a process says of itself: log lines, metrics and, where they are wanted, traces.

Every process answers with its metrics on a socket of its own in ``data_dir/metrics`` (see
`pipeline.telemetry.answer`); whoever may look into that folder can gather those of all processes
(`pipeline.telemetry.gather`), and one of them serves them to Prometheus
(`pipeline.telemetry.endpoint`). So a process that was killed leaves no stale figures, and one port
serves a host.
"""

from pipeline.telemetry.logs import configure, get_logger

__all__ = ["configure", "get_logger"]
