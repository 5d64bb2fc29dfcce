"""H.264 as a surveillance camera makes it: to a file, or there and back in memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import av
import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def _configure(stream: Any, width: int, height: int, fps: float) -> None:
    rate = Fraction(fps).limit_denominator(1001)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.framerate = rate
    stream.time_base = 1 / rate
    stream.gop_size = max(1, round(2 * fps))
    stream.thread_count = 1  # several threads would change the bytes from run to run
    stream.options = {
        "preset": "veryfast",
        "tune": "zerolatency",  # no B-frames, a frame out for each frame in
        "crf": "27",
        "maxrate": "700k",
        "bufsize": "1400k",
        "x264-params": "threads=1:sliced-threads=0",
    }


def _to_video_frame(frame: Image, number: int) -> av.VideoFrame:
    yuv = cast(Image, cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420))
    picture = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
    picture.pts = number
    return picture


class VideoWriter:
    """Writes (h, w, 3) uint8 BGR frames to an mp4 file; the same frames give the same bytes."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self._container = av.open(str(path), "w", options={"fflags": "+bitexact"})
        rate = Fraction(fps).limit_denominator(1001)
        self._stream: Any = self._container.add_stream("libx264", rate=rate)
        _configure(self._stream, width, height, fps)
        self._written = 0

    def write(self, frame: Image) -> None:
        self._container.mux(self._stream.encode(_to_video_frame(frame, self._written)))
        self._written += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()


class Codec:
    """H.264 there and back, frame by frame: what a reader of the stream would get."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        self._encoder: Any = av.CodecContext.create("libx264", "w")
        _configure(self._encoder, width, height, fps)
        self._decoder: Any = av.CodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        self._decoder.options = {"flags": "+low_delay"}
        self._sent = 0

    def roundtrip(self, frame: Image) -> Image:
        """Encodes and decodes the next frame (h, w, 3) uint8 BGR."""
        packets = self._encoder.encode(_to_video_frame(frame, self._sent))
        self._sent += 1
        pictures = [p for packet in packets for p in self._decoder.decode(packet)]
        if len(pictures) != 1:
            raise RuntimeError(f"the H.264 codec gave {len(pictures)} frames for one")
        yuv = pictures[0].to_ndarray(format="yuv420p")
        return cast(Image, cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR_I420))
