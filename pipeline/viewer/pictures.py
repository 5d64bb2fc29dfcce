"""Pictures that somebody uploads: read within limits, or refused with the reason."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import ImageOps
from PIL.Image import DecompressionBombError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pipeline.errors import CamtrailError
from pipeline.records import Image

MAX_BYTES = 16 * 2**20
MAX_PIXELS = 40_000_000  # a photo of a good telephone; 120 MB when it is decoded

_LEAST_SIDE = 16  # pixels
_DAMAGED = (  # what Pillow raises for bytes that are none of its kind, or claim absurd sizes
    DecompressionBombError, EOFError, IndexError, KeyError, OSError, SyntaxError, TypeError,
    ValueError, struct.error,
)  # fmt: skip


class PictureError(CamtrailError):
    """What was uploaded is not used."""


def read_picture(data: bytes) -> Image:
    """The picture as BGR uint8 H x W x 3, upright. Its size is looked at before it is decoded.

    Raises:
        PictureError: it is no JPEG, PNG or WebP, damaged, too large or too small.
    """
    kind = _kind(data)
    try:
        with kind(io.BytesIO(data)) as picture:
            _check_size(*picture.size)
            upright = ImageOps.exif_transpose(picture.convert("RGB"))
            return np.ascontiguousarray(np.asarray(upright, np.uint8)[:, :, ::-1])
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PictureError(f"this picture is damaged ({reason})") from None


def _kind(data: bytes) -> type[ImageFile]:
    """What reads it. Not `PIL.Image.open`: ultralytics puts one of its own in that place."""
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    raise PictureError("this is no picture; give one as JPEG, PNG or WebP")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"this picture has {width} x {height} pixels; {MAX_PIXELS / 1e6:.0f} million are "
            "looked at: make it smaller, or cut the person out"
        )
    if min(width, height) < _LEAST_SIDE:
        raise PictureError(
            f"this picture has {width} x {height} pixels; it takes {_LEAST_SIDE} each way"
        )
