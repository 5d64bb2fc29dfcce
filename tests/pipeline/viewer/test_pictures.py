"""What may be uploaded."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from pipeline.viewer.pictures import MAX_PIXELS, PictureError, read_picture


def encoded(kind: str, image: Pillow.Image | None = None, **options: object) -> bytes:
    image = image or Pillow.new("RGB", (40, 30), (200, 100, 50))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG that claims this size, whatever is in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def webp(width: int, height: int) -> bytes:
    """A WebP whose canvas claims this size."""
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas + encoded("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_reads_pictures_as_bgr(kind: str) -> None:
    image = read_picture(encoded(kind))
    assert image.shape == (30, 40, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.reshape(-1, 3).mean(0) - (50, 100, 200)).max() < 4


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_reads_other_colours(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert read_picture(encoded(kind, Pillow.new(mode, (20, 24)))).shape == (24, 20, 3)


def test_turns_a_telephones_photo_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the right side is up
    assert read_picture(encoded("JPEG", exif=exif)).shape == (40, 30, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a" + bytes(100),
        encoded("TIFF"),
        encoded("BMP"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"RIFF\x00\x00\x00\x00AVI ",
    ],
)
def test_refuses_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(PictureError, match="no picture; give one as JPEG, PNG or WebP"):
        read_picture(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("length", [12, 40, -40])
def test_refuses_what_is_cut_off(kind: str, length: int) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(encoded(kind, Pillow.fromarray(noise))[:length])


def test_refuses_a_bomb_without_decoding_it() -> None:
    bomb = png(60_000, 60_000, zlib.compress(bytes(10**6)))  # would take 10.8 GB
    with pytest.raises(PictureError, match="60000 x 60000 pixels"):
        read_picture(bomb)


def test_refuses_a_hundred_megapixels() -> None:
    photo = encoded("JPEG", Pillow.new("L", (12_000, 8_500)))
    with pytest.raises(PictureError, match=rf"{MAX_PIXELS // 10**6} million are looked at"):
        read_picture(photo)


def test_refuses_a_picture_whose_data_says_another_size() -> None:
    with pytest.raises(PictureError, match="damaged"):
        read_picture(png(500, 500, zlib.compress(bytes(100))))


def test_refuses_what_nobody_could_be_seen_on() -> None:
    with pytest.raises(PictureError, match="8 x 300 pixels; it takes 16"):
        read_picture(encoded("PNG", Pillow.new("RGB", (8, 300))))


def test_refuses_a_webp_of_an_absurd_size() -> None:
    with pytest.raises(PictureError, match="damaged"):
        read_picture(webp(1_370_000, 1_370_000))
