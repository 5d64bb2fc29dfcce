"""The file that holds a recording, version 1.

::

    "camtrail" (8 bytes) | version (1 byte)
    block, block, ...
    offset of the last block (8 bytes) | "lairtmac"

A block is ``kind (1 byte) | packed size (4) | size (4) | CRC-32 of what is packed (4) | zlib``;
numbers are little endian. The first block is of kind ``h``: JSON, the `Header`. Those of kind ``m``
hold messages, each as ``size (4) | message`` in the wire format (see `pipeline.bus.wire`) without
pictures, in the order in which they are replayed. The last is of kind ``e``: JSON, the `Summary`.

No picture is in it, and nothing of where the cameras' pictures come from. A file may be a
stranger's: everything in it is bounded and checked, and nothing of it is run.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.bus import WireError, decode, encode
from pipeline.config import MEMORY, Matcher, Name, Topology
from pipeline.disk import partial_of
from pipeline.errors import CamtrailError
from pipeline.records import Envelope, Progress, TrackletUpdate

VERSION = 1
MAX_BLOCK = 16 * 2**20
MAX_JSON = 2**20
MAX_CAMERAS = 10_000

_MAGIC, _END_MAGIC = b"camtrail", b"lairtmac"
_BLOCK = struct.Struct("<cIII")
_SIZE = struct.Struct("<I")
_FOOTER = struct.Struct(f"<Q{len(_END_MAGIC)}s")
_BLOCK_BYTES = 2**20  # of messages, after which a block is written
_HEADER, _MESSAGES, _END = b"h", b"m", b"e"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EncoderSaid(_Strict):
    """Whose embeddings these are, and which thresholds its file recommends, if any."""

    fingerprint: str = Field("", max_length=256)
    accept: float | None = None
    new: float | None = None


def without_places(matcher: Matcher) -> Matcher:
    """Without what is of one host: a gallery's URL, which may hold a password, and a standby."""
    return matcher.model_copy(update={"gallery": MEMORY, "standby": False})


class Header(_Strict):
    """What the matcher has to know of the site."""

    site: Name
    cameras: tuple[Name, ...] = Field(min_length=1, max_length=MAX_CAMERAS)
    topology: Topology
    matcher: Annotated[Matcher, AfterValidator(without_places)]
    encoder: EncoderSaid


class Summary(_Strict):
    """What there is: the updates of each camera that said anything, and the time that they cover,
    in seconds since the epoch (None: nobody was seen).
    """

    messages: int = Field(ge=0)
    updates: dict[Name, int]
    first: float | None
    last: float | None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first


def write_recording(path: Path, header: Header, messages: Iterable[Envelope]) -> Summary:
    """Writes a whole recording, or nothing.

    Raises:
        CamtrailError: the file cannot be written.
    """
    partial = partial_of(path)
    try:
        with partial.open("wb") as file:
            summary = _write(file, header, messages)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise CamtrailError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return summary


class Recording:
    """A recording that is read.

    Raises:
        CamtrailError: it is missing, no recording, of another version, cut off or damaged; here or
            while its messages are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            self._check_magic(file)
            self._begin = file.tell()
            self._size = os.fstat(file.fileno()).st_size
            self._end = self._find_end(file)
            file.seek(self._begin)
            self.header = self._json(file, _HEADER, Header)
            self._messages_at = file.tell()
            file.seek(self._end)
            self.summary = self._json(file, _END, Summary)

    def messages(self) -> Iterator[Envelope]:
        """All messages, in their order."""
        count = 0
        with self._open() as file:
            file.seek(self._messages_at)
            while file.tell() < self._end:
                for message in self._split(self._block(file, _MESSAGES, MAX_BLOCK)):
                    count += 1
                    yield self._decode(message)
            if file.tell() != self._end or count != self.summary.messages:
                raise self._damaged("its messages are not those that its end speaks of")

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            raise CamtrailError(
                f"{self.path}: no such file; `camtrail record` writes one"
            ) from None
        except OSError as error:
            raise CamtrailError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _check_magic(self, file: BinaryIO) -> None:
        start = self._read(file, len(_MAGIC) + 1)
        if start[: len(_MAGIC)] != _MAGIC:
            raise CamtrailError(f"{self.path}: is no recording of `camtrail record`")
        if start[-1] != VERSION:
            raise CamtrailError(
                f"{self.path}: is a recording of version {start[-1]}; this camtrail reads version "
                f"{VERSION}: use the camtrail that wrote it, or record anew"
            )

    def _find_end(self, file: BinaryIO) -> int:
        file.seek(max(0, self._size - _FOOTER.size))
        offset, magic = _FOOTER.unpack(self._read(file, _FOOTER.size))
        if magic != _END_MAGIC or not self._begin < offset < self._size:
            raise self._damaged("it is cut off")
        return int(offset)

    def _json(self, file: BinaryIO, kind: bytes, model: type[_M]) -> _M:
        try:
            return model.model_validate_json(self._block(file, kind, MAX_JSON))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "JSON"
            raise self._damaged(
                f"{place}: {first['msg']} (unless a newer camtrail wrote it: then use that)"
            ) from None

    def _block(self, file: BinaryIO, kind: bytes, most: int) -> bytes:
        found, packed, size, checksum = _BLOCK.unpack(self._read(file, _BLOCK.size))
        if found != kind or size > most or packed > most:
            raise self._damaged("a block is not where it belongs")
        data = self._read(file, packed)
        if zlib.crc32(data) != checksum:
            raise self._damaged("a checksum is wrong")
        inflater = zlib.decompressobj()
        try:
            raw = inflater.decompress(data, size + 1)  # bounded: no bomb
        except zlib.error as error:
            raise self._damaged(str(error)) from None
        if len(raw) != size or not inflater.eof:
            raise self._damaged("a block has another size than it says")
        return raw

    def _split(self, block: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(block):
            if at + _SIZE.size > len(block):
                raise self._damaged("a message is cut off")
            (size,) = _SIZE.unpack_from(block, at)
            at += _SIZE.size
            if at + size > len(block):
                raise self._damaged("a message is cut off")
            yield block[at : at + size]
            at += size

    def _decode(self, message: bytes) -> Envelope:
        try:
            return decode(message)
        except WireError as error:
            raise self._damaged(f"a message: {error}") from None

    def _read(self, file: BinaryIO, size: int) -> bytes:
        data = file.read(size)
        if len(data) != size:
            raise self._damaged("it is cut off")
        return data

    def _damaged(self, what: str) -> CamtrailError:
        return CamtrailError(f"{self.path}: is no whole recording: {what}")


_M = TypeVar("_M", bound=_Strict)


def _write(file: BinaryIO, header: Header, messages: Iterable[Envelope]) -> Summary:
    file.write(_MAGIC + bytes([VERSION]))
    _write_block(file, _HEADER, header.model_dump_json(by_alias=True).encode())
    tally = _Tally()
    parts: list[bytes] = []
    size = 0
    for envelope in messages:
        message = encode(_without_picture(envelope))
        tally.add(envelope)
        parts += [_SIZE.pack(len(message)), message]
        size += _SIZE.size + len(message)
        if size >= _BLOCK_BYTES:
            _write_messages(file, parts)
            parts, size = [], 0
    if parts:
        _write_messages(file, parts)
    end = file.tell()
    summary = tally.summary()
    _write_block(file, _END, summary.model_dump_json().encode())
    file.write(_FOOTER.pack(end, _END_MAGIC))
    return summary


class _Tally:
    """Counts what is written."""

    def __init__(self) -> None:
        self._messages = 0
        self._updates: dict[str, int] = {}
        self._first, self._last = math.inf, -math.inf

    def add(self, envelope: Envelope) -> None:
        body = envelope.body
        self._messages += 1
        said = self._updates.setdefault(body.camera, 0)
        if isinstance(body, TrackletUpdate):
            self._updates[body.camera] = said + 1
            self._first = min(self._first, body.start)
            self._last = max(self._last, body.end)

    def summary(self) -> Summary:
        somebody = self._first <= self._last
        return Summary(
            messages=self._messages,
            updates=self._updates,
            first=self._first if somebody else None,
            last=self._last if somebody else None,
        )


def _without_picture(envelope: Envelope) -> Envelope:
    body = envelope.body
    if isinstance(body, Progress) or body.thumbnail is None:
        return envelope
    return Envelope(envelope.number, replace(body, thumbnail=None))


def _write_messages(file: BinaryIO, parts: Sequence[bytes]) -> None:
    _write_block(file, _MESSAGES, b"".join(parts))


def _write_block(file: BinaryIO, kind: bytes, raw: bytes) -> None:
    packed = zlib.compress(raw, 6)
    file.write(_BLOCK.pack(kind, len(packed), len(raw), zlib.crc32(packed)) + packed)
