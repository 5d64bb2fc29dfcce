"""What the worker of a camera counts."""

from __future__ import annotations

from pipeline.telemetry.metrics import HEARTBEAT, counter, gauge

FRAMES_RECEIVED = counter("camera_frames_received", "Frames that the source gave.", "camera")
FRAMES_DECODED = counter("camera_frames_decoded", "Frames that became pictures.", "camera")
FRAMES_DROPPED = counter(
    "camera_frames_dropped",
    "Frames that nobody looked at: beyond `fps` (rate), overtaken by a newer one (overtaken), not "
    "to be decoded (damaged), old ones that came in one go at a connection (backlog).",
    "camera",
    "reason",
)
FRAMES_SEEN = counter("camera_frames_seen", "Frames in which persons were looked for.", "camera")
DETECTIONS = counter("camera_detections", "Persons found, outside of masks.", "camera")
CROPS = counter("camera_crops_embedded", "Crops that were embedded.", "camera")
TRACKS = gauge("camera_tracks", "Persons in view.", "camera")
CONNECTED = gauge("camera_connected", "Whether the source gives pictures.", "camera")
RECONNECTS = counter("camera_reconnects", "Connections that were lost.", "camera")
FAULT = gauge("camera_picture_fault", "Whether the picture is black or frozen.", "camera", "fault")
ENCODER = gauge("camera_encoder_info", "1 for the encoder in use.", "camera", "fingerprint")

FAULTS = ("black", "frozen")


class FrameCounts:
    """The frames of one camera, by what became of them."""

    def __init__(self, camera: str) -> None:
        self.received = FRAMES_RECEIVED.labels(camera)
        self.decoded = FRAMES_DECODED.labels(camera)
        self.reconnects = RECONNECTS.labels(camera)
        self.over_rate, self.overtaken, self.damaged, self.backlog = (
            FRAMES_DROPPED.labels(camera, reason)
            for reason in ("rate", "overtaken", "damaged", "backlog")
        )


class WorkerCounts:
    """What the worker of one camera says of its work."""

    def __init__(self, camera: str, fingerprint: str) -> None:
        self.seen = FRAMES_SEEN.labels(camera)
        self.detections = DETECTIONS.labels(camera)
        self.crops = CROPS.labels(camera)
        self._tracks, self._connected = TRACKS.labels(camera), CONNECTED.labels(camera)
        self._faults = {fault: FAULT.labels(camera, fault) for fault in FAULTS}
        ENCODER.labels(camera, fingerprint).set(1)

    def report(self, connected: bool, tracks: int, fault: str) -> None:
        """How it stands now; ``fault`` as `pipeline.camera.picture` says it."""
        self._connected.set(connected)
        HEARTBEAT.labels("worker").set_to_current_time()
        self._tracks.set(tracks)
        for name, metric in self._faults.items():
            metric.set(name == fault)
