"""Pictures that somebody uploads: read within limits, or refused with the reason."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from pipeline.errors import CamtrailError
from pipeline.records import Image

MAX_BYTES = 16 * 2**20
MAX_PIXELS = 40_000_000  # a photo of a good telephone; 120 MB when it is decoded
FORMATS = ("JPEG", "PNG", "WEBP")

_LEAST_SIDE = 16  # pixels


class PictureError(CamtrailError):
    """What was uploaded is not used."""


def read_picture(data: bytes) -> Image:
    """The picture as BGR uint8 H x W x 3, upright. Its size is looked at before it is decoded.

    Raises:
        PictureError: it is no JPEG, PNG or WebP, damaged, too large or too small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # our limit is less
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
                _check_size(*picture.size)
                upright = ImageOps.exif_transpose(picture.convert("RGB"))
                return np.ascontiguousarray(np.asarray(upright, np.uint8)[:, :, ::-1])
    except UnidentifiedImageError:
        raise PictureError(f"this is no picture; give one as {', '.join(FORMATS)}") from None
    except (OSError, ValueError, SyntaxError, EOFError, Pillow.DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PictureError(f"this picture is damaged ({reason})") from None


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
