from __future__ import annotations

import zlib
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.bus import WireError, decode, encode
from pipeline.records import CameraState, Envelope, Path, Progress, TrackletUpdate
from tests.pipeline.bus.samples import progress, update

RUN = "01M7Y3ZZBARR0BW2M09Q7E3NZP"
times = st.floats(-1e11, 1e11)
counts = st.integers(0, 2**31 - 1)
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
runs = st.from_regex(r"[0-9A-HJKMNP-TV-Z]{26}", fullmatch=True)


@st.composite
def paths(draw: st.DrawFn) -> Path:
    n = draw(st.integers(0, 20))
    boxes = draw(npst.arrays(np.float32, (n, 4), elements=st.floats(-20_000, 20_000, width=32)))
    return Path(
        np.sort(draw(npst.arrays(np.float64, n, elements=times))),
        np.array(draw(st.lists(st.integers(1, 2**31 - 1), min_size=n, max_size=n)), np.int32),
        boxes,
    )


@st.composite
def embeddings(draw: st.DrawFn) -> np.ndarray:
    size = draw(st.sampled_from([1, 2, 256, 2048]))
    seed = draw(st.integers(0, 1000))
    vector = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    return vector / np.linalg.norm(vector)


@st.composite
def updates(draw: st.DrawFn) -> TrackletUpdate:
    start, end = sorted(draw(st.tuples(times, times)))
    return TrackletUpdate(
        camera=draw(names),
        run=draw(runs),
        track=draw(counts),
        seq=draw(counts),
        start=start,
        end=end,
        path=draw(paths()),
        crops=draw(counts),
        quality=draw(st.floats(0, 1e9)),
        embedding=draw(st.none() | embeddings()),
        fingerprint=draw(st.text(max_size=64)),
        thumbnail=draw(st.none() | st.binary(max_size=2000)),
        thumbnail_quality=draw(st.floats(0, 1)),
        ended=draw(st.booleans()),
    )


progresses = st.builds(
    Progress,
    camera=names,
    run=runs,
    time=times,
    state=st.sampled_from(CameraState),
    live=st.booleans(),
    frames=counts,
    frame=counts,
    dropped=counts,
    source=st.text(max_size=32),
)
envelopes = st.builds(Envelope, number=st.integers(1, 2**31 - 1), body=updates() | progresses)


@given(envelopes)
def test_round_trip(envelope: Envelope) -> None:
    back = decode(encode(envelope))
    assert back.number == envelope.number
    sent, got = envelope.body, back.body
    if isinstance(sent, Progress):
        assert got == sent
        return
    assert isinstance(got, TrackletUpdate)
    assert replace(got, path=sent.path, embedding=None) == replace(sent, embedding=None)
    np.testing.assert_array_equal(got.path.times, sent.path.times)  # exact
    np.testing.assert_array_equal(got.path.frames, sent.path.frames)
    np.testing.assert_allclose(got.path.boxes, sent.path.boxes, rtol=0, atol=1 / 16)
    assert got.path.times.dtype == np.float64
    assert got.path.frames.dtype == np.int32
    assert got.path.boxes.dtype == np.float32
    assert got.path.boxes.shape == (len(sent.path), 4)
    if sent.embedding is None:
        assert got.embedding is None
    else:
        assert got.embedding is not None
        assert got.embedding.dtype == np.float32
        # float16 has 11 bits; the second normalisation moves each by at most as much again
        np.testing.assert_allclose(got.embedding, sent.embedding, rtol=2**-10, atol=1e-7)
        assert abs(np.linalg.norm(got.embedding) - 1) < 1e-6


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_wire_errors(data: bytes) -> None:
    for head in (b"", b"\x01u", b"\x01p"):
        with pytest.raises(WireError):
            decode(head + data)


@given(envelopes, st.data())
def test_mutated_messages_decode_to_valid_records_or_raise_wire_errors(
    envelope: Envelope, data: st.DataObject
) -> None:
    message = bytearray(encode(envelope))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
    message = (
        message[: data.draw(st.integers(0, len(message)))] if data.draw(st.booleans()) else message
    )
    try:
        decoded = decode(bytes(message))
    except WireError:
        return
    encode(decoded)  # what comes through keeps the promises of a record


FIELDS = ["camera", "run", "number", "track", "seq", "start", "end", "points", "path", "crops"]
FIELDS += ["quality", "embedding", "fingerprint", "thumbnail", "thumbnail_quality", "ended"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("camera", "../etc"),
        ("camera", "gate\n"),
        ("run", "../../x"),
        ("run", ""),
        ("number", 0),
        ("number", True),
        ("number", 2**40),
        ("track", -1),
        ("start", float("nan")),
        ("start", 5),
        ("end", 0.0),
        ("points", 10**9),
        ("points", 8),
        ("path", b"x"),
        ("path", zlib.compress(bytes(10**6))),
        ("quality", -0.1),
        ("quality", float("inf")),
        ("embedding", b""),
        ("embedding", bytes(512)),
        ("embedding", np.full(16, np.nan, "<f2").tobytes()),
        ("fingerprint", "f" * 1000),
        ("fingerprint", b"f"),
        ("thumbnail", "text"),
        ("thumbnail_quality", 1.5),
        ("ended", 1),
    ],
)
def test_each_field_is_checked_on_arrival(field: str, value: object) -> None:
    good = encode(Envelope(7, update(RUN)))
    fields = msgpack.unpackb(good[2:])
    fields[FIELDS.index(field)] = value
    with pytest.raises(WireError, match=f"{field}|path|end"):
        decode(good[:2] + msgpack.packb(fields))


def test_a_strange_version_kind_state_and_size_are_named() -> None:
    good = encode(Envelope(1, progress(RUN)))
    with pytest.raises(WireError, match="version 9"):
        decode(b"\x09" + good[1:])
    with pytest.raises(WireError, match="kind"):
        decode(good[:1] + b"x" + good[2:])
    with pytest.raises(WireError, match="source: "):
        encode(Envelope(1, progress(RUN, source="s" * 257)))
    with pytest.raises(WireError, match="asleep"):
        decode(good.replace(b"running", b"asleep!"))
    with pytest.raises(WireError, match="at most"):
        decode(bytes(5 * 2**20))


@pytest.mark.parametrize(
    "changes",
    [
        {"embedding": np.zeros(4, np.float32)},
        {"embedding": np.array([3, 4], np.float32)},
        {"embedding": np.array([[1.0]], np.float32)},
        {"end": 0.0},
        {"camera": "Gate"},
        {"thumbnail": bytes(2**21)},
        {"path": Path.of([(2.0, 1, (0, 0, 1, 1)), (1.0, 2, (0, 0, 1, 1))])},
        {"path": Path.of([(2.0, 0, (0, 0, 1, 1))])},
        {"path": Path.of([(2.0, 1, (0, 0, float("nan"), 1))])},
    ],
)
def test_a_record_that_breaks_its_promise_is_not_sent(changes: dict[str, object]) -> None:
    with pytest.raises(WireError):
        encode(Envelope(1, replace(update(RUN), **changes)))  # type: ignore[arg-type]


def test_a_message_is_compact() -> None:
    plain = replace(update(RUN), thumbnail=None)
    assert len(encode(Envelope(1, plain))) < 512 + 9 * 28 + 128  # embedding, path, the rest
