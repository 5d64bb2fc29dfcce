"""What is counted of retention."""

from __future__ import annotations

from pipeline.telemetry.metrics import counter

DELETED = counter("retention_deleted", "Things that were deleted since they were too old.", "kind")
