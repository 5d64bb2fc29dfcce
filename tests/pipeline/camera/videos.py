"""Small real videos whose frames tell their own number, whatever the codec did to them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.records import Image

WIDTH, HEIGHT = 160, 96
_BITS = 10  # in two rows of blocks, 32 x 48 pixels each


def picture(number: int) -> Image:
    """A picture (96, 160, 3) that holds ``number`` (0..1023) as black and white blocks."""
    bits = [(number >> bit) & 1 for bit in range(_BITS)]
    blocks = np.array(bits, np.uint8).reshape(2, _BITS // 2) * 200 + 28
    grey = blocks.repeat(HEIGHT // 2, 0).repeat(WIDTH // (_BITS // 2), 1)
    return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, 2))


def number_in(image: Image) -> int:
    """The number that `picture` put there."""
    centres = image[HEIGHT // 4 :: HEIGHT // 2, 16 :: WIDTH // (_BITS // 2), 1]
    return int(sum(1 << bit for bit, value in enumerate(centres.ravel()) if value > 128))


def write_video(
    path: Path,
    images: Iterable[Image],
    fps: int = 10,
    ticks: Iterable[int] | None = None,
    b_frames: int = 0,
    **options: str,
) -> Path:
    """H.264 in the container that the name's ending asks for.

    Args:
        path: of the file.
        images: BGR, all of one size.
        fps: frames a second.
        ticks: presentation times in hundredths of a second; None for a constant rate.
        b_frames: frames in a row that are coded from both sides, so that they are out of order.
        options: of the container, such as ``movflags="faststart"``.
    """
    file_format = "h264" if path.suffix == ".264" else None
    with av.open(str(path), "w", format=file_format, container_options=options) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "20", "bf": str(b_frames), "g": "12"}
        stream.codec_context.time_base = Fraction(1, 100)
        times = iter(ticks) if ticks is not None else None
        for index, image in enumerate(images):
            if index == 0:
                stream.width, stream.height = image.shape[1], image.shape[0]
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.time_base = Fraction(1, 100)
            frame.pts = next(times) if times is not None else round(index * 100 / fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbered(path: Path, count: int, fps: int = 10, b_frames: int = 0, **options: str) -> Path:
    """A video of the numbers 1 to ``count``."""
    pictures = (picture(number) for number in range(1, count + 1))
    return write_video(path, pictures, fps, b_frames=b_frames, **options)
