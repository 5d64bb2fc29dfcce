from __future__ import annotations

import os
import tempfile
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inference.shared.messages import (
    FORMAT,
    MAX_BYTES,
    Answer,
    Hello,
    MessageError,
    Request,
    Welcome,
    pack,
    unpack,
)
from pipeline.inference.shared.region import Region, make_region

HELLO = Hello("gate", slots=3, input_bytes=1200, output_bytes=80)


@pytest.mark.parametrize(
    "message",
    [
        Welcome("d", 640, 32, "f" * 32, 512, 0.5, 256, 128),
        Welcome("d", 640, 32, "f" * 32, 512, None, 256, 128),
        HELLO,
        Request(7, "detect", 1, 1, 96, 160),
        Answer(7, 3, ""),
    ],
)
def test_a_message_comes_back(message: Welcome | Hello | Request | Answer) -> None:
    assert unpack(type(message), pack(message)) == message


def test_a_long_error_is_cut() -> None:
    packet = pack(Answer(1, 0, "ä" * 100_000))
    assert len(packet) < MAX_BYTES
    assert unpack(Answer, packet).error.startswith("ää")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\xc1",
        msgpack.packb(7),
        msgpack.packb([]),
        msgpack.packb([FORMAT + 1, 7, 3, ""]),
        msgpack.packb([FORMAT, 7, 3]),
        msgpack.packb([FORMAT, 7, "3", ""]),
        msgpack.packb([FORMAT, True, 3, ""]),
        msgpack.packb([FORMAT, 7, 3, None]),
    ],
)
def test_what_is_no_message_is_refused(packet: bytes) -> None:
    with pytest.raises(MessageError):
        unpack(Answer, packet)


@given(st.binary(max_size=200))
def test_no_packet_does_more_than_be_refused(packet: bytes) -> None:
    for kind in (Welcome, Hello, Request, Answer):
        try:
            message = unpack(kind, packet)
        except MessageError:
            continue
        assert unpack(kind, pack(message)) == message


def test_both_sides_see_the_same_memory() -> None:
    handle, ours = make_region(HELLO)
    theirs = Region(handle, HELLO)
    os.close(handle)
    for slot in range(HELLO.slots):
        ours.pictures(slot)[:] = slot + 1
        theirs.results(slot)[:] = -slot
    for slot in range(HELLO.slots):
        assert theirs.pictures(slot).shape == (1200,)
        assert (theirs.pictures(slot) == slot + 1).all()
        assert ours.results(slot).shape == (20,)
        assert ours.results(slot).dtype == np.float32
        assert (ours.results(slot) == -slot).all()


@pytest.mark.parametrize(
    "change",
    [{"slots": 0}, {"slots": 4}, {"input_bytes": 1201}, {"output_bytes": -80}, {"slots": 10**9}],
)
def test_memory_that_is_not_as_announced_is_refused(change: dict[str, int]) -> None:
    handle, _ = make_region(HELLO)
    with pytest.raises(MessageError):
        Region(handle, replace(HELLO, **change))
    os.close(handle)


def test_memory_that_could_be_cut_off_is_refused() -> None:
    size = HELLO.slots * (HELLO.input_bytes + HELLO.output_bytes)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        with pytest.raises(MessageError, match="sealed"):
            Region(file.fileno(), HELLO)
    handle = os.memfd_create("open", os.MFD_ALLOW_SEALING)
    os.ftruncate(handle, size)
    with pytest.raises(MessageError, match="sealed"):
        Region(handle, HELLO)
    os.close(handle)
    handle, region = make_region(HELLO)
    with pytest.raises(PermissionError):
        os.ftruncate(handle, 4)
    os.close(handle)
    assert region.pictures(0).sum() == 0
