"""Frames for those who watch, on the wire."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bus import Preview, WireError, decode_preview, encode_preview

NUMBERS = st.floats(-1e6, 1e6)


@given(
    st.builds(
        Preview,
        camera=st.sampled_from(["gate", "lobby-2"]),
        run=st.just("01JGVJ9ZZZZZZZZZZZZZZZZZZZ"),
        frame=st.integers(1, 2**31),
        time=NUMBERS,
        width=st.integers(1, 8000),
        height=st.integers(1, 8000),
        people=st.dictionaries(
            st.integers(1, 10**6), st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=5
        ),
        jpeg=st.binary(max_size=200),
    )
)
def test_comes_back_as_it_went(preview: Preview) -> None:
    assert decode_preview(encode_preview(preview)) == preview


@given(st.binary(max_size=100))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_preview(data)


def test_another_version_is_refused() -> None:
    good = msgpack.unpackb(
        encode_preview(Preview("gate", "R", 1, 1.0, 640, 360, {1: (0.0, 0.0, 9.0, 9.0)}, b"jpeg"))
    )
    with pytest.raises(WireError, match="version 2; this program reads version 1"):
        decode_preview(msgpack.packb(good | {"v": 2}))


def test_too_long_a_one_is_refused() -> None:
    with pytest.raises(WireError, match="at most"):
        decode_preview(bytes(2**22 + 1))
