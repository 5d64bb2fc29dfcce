"""Crops carry what is to be hidden of them."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from pipeline.config import Hidden
from pipeline.privacy.crops import Note, blurred, encode, is_blurred, own_face, read_note, shares
from pipeline.records import Image

FACE = (0.2, 0.0, 0.8, 0.25)


def noise(height: int = 120, width: int = 60) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def decoded(data: bytes) -> Image:
    return np.asarray(Pillow.open(io.BytesIO(data), formats=["JPEG"]).convert("RGB"))[..., ::-1]


def detail(image: Image) -> float:
    """How much changes from pixel to pixel."""
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_where_nothing_is_hidden_a_crop_is_as_before() -> None:
    data = encode(noise(), [FACE], "none", blurred=True)
    assert read_note(data) is None
    assert data == cv2.imencode(".jpg", noise(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@pytest.mark.parametrize("what", ["faces", "persons"])
def test_a_crop_says_what_was_hidden_of_it(what: Hidden) -> None:
    data = encode(noise(), [FACE], what, blurred=True)
    assert read_note(data) == Note((FACE,), what)
    image = decoded(data)  # any reader reads it
    face, body = image[2:26, 14:46], image[40:]
    assert detail(face) < 3
    assert (detail(body) < 3) is (what == "persons")
    assert is_blurred(data, "faces")
    assert is_blurred(data, "persons") is (what == "persons")
    assert blurred(data, what) == data


@pytest.mark.parametrize("what", ["faces", "persons"])
def test_a_clear_crop_is_hidden_from_some(what: Hidden) -> None:
    data = encode(noise(), [FACE], what, blurred=False)
    assert read_note(data) == Note((FACE,), "none")
    assert detail(decoded(data)) > 20
    shown = blurred(data, what)
    assert read_note(shown) == Note((FACE,), what)
    assert detail(decoded(shown)[2:26, 14:46]) < 3


def test_a_crop_of_before_hides_its_own_face() -> None:
    data = encode(noise(), [], "none", blurred=False)
    shown = blurred(data, "faces")
    assert read_note(shown) == Note(own_face(noise()), "faces")
    assert detail(decoded(shown)[:24]) < 3
    assert detail(decoded(shown)[60:]) > 20
    more = blurred(shown, "persons")
    assert detail(decoded(more)) < 3


def test_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="damaged"):
        blurred(b"\xff\xd8 no picture", "faces")


def test_shares_are_those_that_a_crop_shows() -> None:
    hidden = np.array([[110, 90, 150, 140], [0, 0, 20, 20], [190, 190, 300, 300]], np.float32)
    assert shares(hidden, (100, 100, 200, 200)) == ((0.1, 0, 0.5, 0.4), (0.9, 0.9, 1, 1))


@given(st.binary(max_size=400))
def test_any_bytes_have_a_note_or_none(data: bytes) -> None:
    read_note(data)
    read_note(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xfe\x00\x40camtrail " + data)


WRONG = (
    '{"faces":[[0,0,1]],"blurred":"faces"}',
    '{"faces":[[0,0,NaN,1]],"blurred":"none"}',
    '{"faces":[[0,0,9,1]],"blurred":"none"}',
    '{"faces":[],"blurred":"all"}',
    "[]",
)


@given(st.binary(max_size=60), st.sampled_from(WRONG))
def test_a_note_that_makes_no_sense_is_none(rest: bytes, text: str) -> None:
    body = b"camtrail " + text.encode()
    comment = b"\xff\xfe" + (2 + len(body)).to_bytes(2, "big") + body
    assert read_note(b"\xff\xd8\xff\xe0\x00\x04ab" + comment + rest) is None
