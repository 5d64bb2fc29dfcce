"""The process that records one camera."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
import av.error

from pipeline.config import Camera, Site, redact_url
from pipeline.errors import CamtrailError
from pipeline.recording.arrival import Arrival, ClockJumpError
from pipeline.recording.keeper import Keeper
from pipeline.recording.metrics import PACKETS, RECORDING
from pipeline.recording.segments import SegmentWriter
from pipeline.store.recordings import PLAYABLE, Recordings
from pipeline.telemetry import get_logger

BACKOFF = (0.5, 30.0)  # seconds: first and longest wait before the next attempt

_LOOK_SECONDS = 5.0
_BACKLOG_SECONDS = 5.0  # of pictures at most that are taken for old ones
_DEFAULT_FPS = 25.0  # where the stream does not tell

log = get_logger(__name__)


def run_recorder(site: Site, name: str, stop: threading.Event) -> None:
    """Records until ``stop`` is set; connects again for as long as it takes.

    Raises:
        CamtrailError: recording is off, or this camera cannot be recorded.
    """
    camera = site.camera(name)
    if reason := why_not_recorded(site, camera):
        raise CamtrailError(f"camera '{name}' is not recorded: {reason}")
    recordings = Recordings(site.recordings_dir, name)
    try:
        recordings.clear_partials()
    except OSError as error:  # a read-only disk: they go with the next start
        log.warning("what was left half written stays", camera=name, error=str(error))
    keeper = threading.Thread(target=_look_after, args=(site, name, stop), daemon=True)
    keeper.start()
    wait, longest = BACKOFF
    while not stop.is_set():
        recorded, reason = _record(camera, name, recordings, stop)
        if stop.is_set():
            break
        RECORDING.labels(name).set(0)
        log.warning("not recording; trying again", camera=name, reason=reason)
        wait = BACKOFF[0] if recorded else min(wait * 2, longest)
        stop.wait(wait * random.uniform(0.5, 1))  # noqa: S311 - jitter
    keeper.join()


def why_not_recorded(site: Site, camera: Camera) -> str:
    """Why there is no recorder for a camera; "" where there is one."""
    if not site.recording.enabled:
        return "recording is off (recording.enabled in site.yaml)"
    if site.stays_unrecorded:
        return "people would be seen clearly in it (privacy.in and recording.clear in site.yaml)"
    if not camera.live:
        return "it is a file, and is played from that itself"
    if not camera.is_stream:
        return "a device gives its pictures to one process only"
    return ""


def _look_after(site: Site, name: str, stop: threading.Event) -> None:
    keeper = Keeper(site, name)
    while not stop.wait(_LOOK_SECONDS):
        try:
            keeper.look(time.time())
        except OSError as error:
            log.error("recordings cannot be looked after", camera=name, error=str(error))


def _record(
    camera: Camera, name: str, recordings: Recordings, stop: threading.Event
) -> tuple[bool, str]:
    """Records one connection: whether anything came, and why it ended."""
    came = False
    try:
        with _connect(camera) as container:
            stream = _playable(container, name)
            log.info("recording", camera=name, source=redact_url(camera.source))
            RECORDING.labels(name).set(1)
            writer, arrival = SegmentWriter(recordings, stream), Arrival()
            try:
                for packet in _new_packets(container, stream):
                    if stop.is_set():
                        break
                    came = True
                    stamp = float(packet.pts * packet.time_base)
                    PACKETS.labels(name).inc()
                    writer.write(packet, arrival.capture(stamp, time.time()))
            finally:
                writer.close()
        return came, "the stream has ended"
    except ClockJumpError:
        return came, "its time stamps jumped"
    except av.error.ExitError:  # PyAV's word for a time-out
        return came, f"no answer within {camera.read_timeout:g} s"
    except (av.error.FFmpegError, OSError) as error:
        return came, getattr(error, "strerror", None) or type(error).__name__


def _connect(camera: Camera) -> Any:
    options = {"rtsp_transport": "tcp"} if camera.source.startswith("rtsp") else {}
    timeout = (camera.open_timeout, camera.read_timeout)
    return av.open(camera.source, options=options, timeout=timeout)


def _playable(container: Any, name: str) -> Any:
    """The stream to record. Raises CamtrailError for one that browsers do not play."""
    if not container.streams.video:
        raise CamtrailError(f"camera '{name}' sends no video")
    stream = container.streams.video[0]
    codec = stream.codec_context.codec.canonical_name
    if codec not in PLAYABLE:
        raise CamtrailError(
            f"camera '{name}' sends {codec}, which browsers do not play, and recordings are not "
            "encoded anew; set the camera to H.264"
        )
    return stream


def _new_packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets from the first one on that had to be waited for: those before it had been held
    up while FFmpeg looked into the stream, and come in one go.
    """
    interval = 1 / float(stream.average_rate or _DEFAULT_FPS)
    began = asked = time.monotonic()
    old = True
    for packet in container.demux(stream):
        now = time.monotonic()
        old = old and now - asked < interval / 2 and now - began < _BACKLOG_SECONDS
        if not old and packet.pts is not None and packet.dts is not None:
            yield packet
        asked = time.monotonic()
