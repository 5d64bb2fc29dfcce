"""The file of a recording: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.bus import decode, encode
from pipeline.errors import CamtrailError
from pipeline.records import Envelope, TrackletUpdate
from pipeline.replay.file import MAX_BLOCK, Header, Recording, write_recording
from tests.pipeline.matcher.synthetic import scripts
from tests.pipeline.replay.sites import header, in_step, recorded


@pytest.fixture
def file(tmp_path: Path) -> Path:
    recorded(tmp_path / "yard.camtrail", seed=1)
    return tmp_path / "yard.camtrail"


def test_what_is_written_is_read_but_for_the_pictures(tmp_path: Path) -> None:
    messages = in_step(scripts(1))
    write_recording(tmp_path / "yard.camtrail", header(), messages)
    found = list(Recording(tmp_path / "yard.camtrail").messages())
    assert len(found) == len(messages)
    pictures = 0
    for sent, read in zip(messages, found, strict=True):
        expected = decode(encode(sent))  # as the matcher would have got it
        assert read.number == expected.number
        body = read.body
        if not isinstance(body, TrackletUpdate):
            assert body == expected.body
            continue
        assert isinstance(expected.body, TrackletUpdate)
        pictures += expected.body.thumbnail is not None
        assert body.thumbnail is None
        assert (body.key, body.seq, body.start, body.end, body.ended) == (
            expected.body.key,
            expected.body.seq,
            expected.body.start,
            expected.body.end,
            expected.body.ended,
        )
        np.testing.assert_array_equal(body.path.boxes, expected.body.path.boxes)
        np.testing.assert_array_equal(body.embedding, expected.body.embedding)
    assert pictures > 0


def test_no_password_gets_into_a_recording_nor_an_address_out_of_one(tmp_path: Path) -> None:
    place = "http://bob:sekret99@10.0.0.5:19530"
    write_recording(tmp_path / "yard.camtrail", header(gallery=place), in_step(scripts(1)))
    recording = Recording(tmp_path / "yard.camtrail")
    assert recording.header.matcher.gallery == "memory"
    size = struct.unpack_from("<cIII", recording.path.read_bytes(), 9)[1]
    begin = 9 + struct.calcsize("<cIII")
    head = zlib.decompress(recording.path.read_bytes()[begin : begin + size])
    assert b'"memory"' in head
    assert b"sekret99" not in head
    stranger = header().model_dump(mode="json")
    stranger["matcher"]["gallery"] = place
    assert Header.model_validate(stranger).matcher.gallery == "memory"


def test_the_head_and_the_end_say_what_there_is(file: Path) -> None:
    recording = Recording(file)
    assert recording.header == header()
    own = in_step(scripts(1))
    updates = [e.body for e in own if isinstance(e.body, TrackletUpdate)]
    assert recording.summary.messages == len(own)
    assert sum(recording.summary.updates.values()) == len(updates)
    assert recording.summary.first == min(u.start for u in updates)
    assert recording.summary.last == max(u.end for u in updates)


def test_many_messages_take_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.replay.file._BLOCK_BYTES", 1000)
    recorded(tmp_path / "yard.camtrail", seed=1)
    recording = Recording(tmp_path / "yard.camtrail")
    assert (tmp_path / "yard.camtrail").read_bytes().count(b"m", 9) > 5
    assert len(list(recording.messages())) == recording.summary.messages


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="no such file; `camtrail record` writes one"):
        Recording(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"camtrai", b"PK\x03\x04 and so on, for some bytes"])
def test_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(CamtrailError, match="recording"):
        Recording(tmp_path / "other")


def test_another_version(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[8] = 2
    file.write_bytes(data)
    with pytest.raises(CamtrailError, match=r"of version 2; this camtrail reads version 1: use"):
        Recording(file)


def test_cut_off_anywhere(file: Path) -> None:
    data = file.read_bytes()
    for length in range(9, len(data), max(1, len(data) // 60)):
        file.write_bytes(data[:length])
        with pytest.raises(CamtrailError, match="is no whole recording"):
            list(Recording(file).messages())


def test_a_changed_byte_anywhere(file: Path) -> None:
    data = file.read_bytes()
    for place in range(9, len(data), max(1, len(data) // 150)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with pytest.raises(CamtrailError, match="is no whole recording"):
            list(Recording(file).messages())


def test_a_block_that_would_unpack_to_more_than_it_says(file: Path) -> None:
    data = file.read_bytes()
    bomb = zlib.compress(bytes(4 * MAX_BLOCK))
    for said, match in ((100, "another size"), (4 * MAX_BLOCK, "where it belongs")):
        block = struct.pack("<cIII", b"h", len(bomb), said, zlib.crc32(bomb)) + bomb
        file.write_bytes(data[:9] + block + data[9:-16] + _footer(data, len(block)))
        with pytest.raises(CamtrailError, match=match):
            Recording(file)


def test_a_head_with_more_in_it(file: Path) -> None:
    data = file.read_bytes()
    said = json.dumps({**json.loads(header().model_dump_json(by_alias=True)), "run": "me"})
    raw = zlib.compress(said.encode())
    block = struct.pack("<cIII", b"h", len(raw), len(said), zlib.crc32(raw)) + raw
    file.write_bytes(data[:9] + block + data[9:-16] + _footer(data, len(block)))
    with pytest.raises(CamtrailError, match=r"run: Extra inputs .* a newer camtrail wrote it"):
        Recording(file)


def test_nothing_is_left_of_a_recording_that_was_not_finished(tmp_path: Path) -> None:
    def broken() -> Iterator[Envelope]:
        yield from in_step(scripts(1))[:20]
        raise CamtrailError("away")

    with pytest.raises(CamtrailError, match="away"):
        write_recording(tmp_path / "yard.camtrail", header(), broken())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="cannot be written: No such file"):
        write_recording(tmp_path / "no" / "yard.camtrail", header(), [])


def _footer(data: bytes, moved: int) -> bytes:
    offset, magic = struct.unpack("<Q8s", data[-16:])
    return struct.pack("<Q8s", offset + moved, magic)
