"""What the recorder of a camera counts."""

from __future__ import annotations

from pipeline.telemetry.metrics import counter, gauge

PACKETS = counter("recorder_packets", "Packets of video that were written.", "camera")
SEGMENTS = counter(
    "recorder_segments",
    "Segments that were kept, deleted since nobody came, or retired by age or for want of room.",
    "camera",
    "fate",
)
RECORDING = gauge("recorder_connected", "Whether the camera is being recorded.", "camera")
