"""What the shared inference process counts."""

from __future__ import annotations

from pipeline.inference.shared.messages import Kind
from pipeline.telemetry.metrics import WORK, counter, gauge, histogram

PICTURES = histogram(
    "inference_batch_pictures",
    "Pictures that went through a network together.",
    "kind",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
WAITED = histogram(
    "inference_wait_seconds", "Seconds that a request waited for its turn.", "kind", buckets=WORK
)
TOOK = histogram(
    "inference_run_seconds", "Seconds that a network took for a batch.", "kind", buckets=WORK
)
QUEUE = gauge("inference_waiting", "Requests that wait for a network.")
CLIENTS = gauge("inference_clients", "Workers that are connected.")
FAILURES = counter("inference_failures", "Requests to which a network gave no result.", "kind")

for kind in Kind:  # from 0 on, so that the first failure is seen as one
    FAILURES.labels(kind.name.lower())
