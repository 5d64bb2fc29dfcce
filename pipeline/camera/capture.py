"""Opening a video with OpenCV, and saying why one cannot be opened.

OpenCV only says that it failed, and FFmpeg's own words, which may hold a password, go straight to
stderr. Both are silenced here, and where something cannot be opened PyAV is asked for the reason.
"""

from __future__ import annotations

import math
import os
import sys
from fractions import Fraction

import av
import av.error
import cv2

from pipeline import config

# Read by OpenCV when it opens its first video.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
cv2.utils.logging.setLogLevel(0)

_TEXT_AS_VIDEO = "tty"  # FFmpeg takes any text file for a film of ASCII art


def open_capture(camera: config.Camera) -> cv2.VideoCapture | None:
    """An opened capture of a file, URL or device, or None."""
    source = camera.source
    if source.isdigit() or config.is_device(source):
        return _open_device(int(source) if source.isdigit() else source, camera.read_timeout)
    parameters = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: camera.open_timeout * 1000,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: camera.read_timeout * 1000,
        # One thread decodes a camera's picture in time, and more would hold pictures back.
        cv2.CAP_PROP_N_THREADS: 1,
    }
    flat = [int(number) for item in parameters.items() for number in item]
    capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, flat)
    return capture if capture.isOpened() else None


def _open_device(device: int | str, read_timeout: float) -> cv2.VideoCapture | None:
    # Opened at once or not at all; its time-out of reading is the process's, that of one camera,
    # and FFmpeg, which would read the device as a file, knows none.
    os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(math.ceil(read_timeout))
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    return capture if capture.isOpened() else None


def length_of(camera: config.Camera) -> float:
    """How many seconds of pictures a video file says that it has; 0 where it does not say.

    Raises:
        av.error.FFmpegError: it cannot be opened (see `why_not`).
    """
    with av.open(camera.source) as container:
        stream = container.streams.video[0]
        said = [
            float(duration * unit)
            for duration, unit in (
                (stream.duration, stream.time_base),
                (container.duration, Fraction(1, av.time_base)),
            )
            if duration is not None and unit is not None
        ]
        return min(said, default=0.0)


def why_not(camera: config.Camera) -> str:
    """Why a file or URL cannot be opened as video, in a few words; "" if it can.

    Never holds the source's address: it may have a password.
    """
    source = camera.source
    if source.isdigit() or config.is_device(source):
        return "no such video device, or it is in use"
    options = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
    try:
        with av.open(
            source, options=options, timeout=(camera.open_timeout, camera.read_timeout)
        ) as container:
            if not container.streams.video:
                return "holds no video"
            return "text, not video" if container.format.name == _TEXT_AS_VIDEO else ""
    except av.error.ExitError:  # PyAV's word for a time-out
        return f"no answer within {camera.open_timeout:g} s"
    except av.error.HTTPUnauthorizedError:
        return "wrong user or password (401)"
    except (av.error.FFmpegError, OSError) as error:
        return getattr(error, "strerror", None) or type(error).__name__
    except ValueError as error:
        return f"not a valid address ({type(error).__name__})"
