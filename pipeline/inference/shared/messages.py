"""What workers and the inference process say to each other: short msgpack arrays.

One message is one packet of a Unix socket (SOCK_SEQPACKET). The process begins with `Welcome`, the
worker answers with `Hello` and the file descriptor of its memory; then `Request`s and `Answer`s.
Pictures and results stand in the memory (see `pipeline.inference.shared.region`).
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgpack

from pipeline import config

FORMAT = 1
MAX_BYTES = 4096
_MAX_TEXT = 500

Message = TypeVar("Message", "Welcome", "Hello", "Request", "Answer")


class MessageError(Exception):
    """Not what a peer of this version says."""


class Kind(StrEnum):
    """What is wanted of a slot's pictures."""

    DETECT = "detect"
    EMBED = "embed"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the process works with.

    Attributes:
        settings: digest of the sections ``detector`` and ``encoder`` that it was started with.
        size, stride: of the detector's pictures; as of `Detector`.
        fingerprint, dimension, line: of the encoder; as of `EncoderRuntime`.
        crop_height, crop_width: of the encoder's pictures.
    """

    settings: str
    size: int
    stride: int
    fingerprint: str
    dimension: int
    line: float | None
    crop_height: int
    crop_width: int


@dataclass(frozen=True, slots=True)
class Hello:
    """A camera's memory: so many slots, each with room for a request and for its result (bytes)."""

    camera: str
    slots: int
    input_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Request:
    """``count`` pictures of ``height`` x ``width`` x 3 in a slot."""

    number: int
    kind: str
    slot: int
    count: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Answer:
    """``rows`` of float32 stand in the request's slot, or ``error`` says why there are none."""

    number: int
    rows: int
    error: str


def pack(message: Message) -> bytes:
    """The packet of a message; texts are cut so that it stays small."""
    values: list[Any] = [v[:_MAX_TEXT] if isinstance(v, str) else v for v in astuple(message)]
    return bytes(msgpack.packb([FORMAT, *values]))


def unpack(kind: type[Message], packet: bytes) -> Message:
    """The message in a packet.

    Raises:
        MessageError: another version's, or damaged.
    """
    try:
        content = msgpack.unpackb(packet)
    except (ValueError, msgpack.UnpackException):
        raise MessageError("a packet that cannot be read") from None
    if not isinstance(content, list) or content[:1] != [FORMAT]:
        raise MessageError(f"not format {FORMAT}, which this version speaks")
    values = content[1:]
    types = list(kind.__annotations__.values())
    if len(values) != len(types) or not all(map(_fits, values, types)):
        raise MessageError(f"no {kind.__name__}: {values!r}"[:_MAX_TEXT])
    return kind(*values)


def settings_digest(site: config.Site) -> str:
    """Differs where two processes would run other networks, or the same ones otherwise."""
    text = site.detector.model_dump_json() + site.encoder.model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float | None": (float, type(None)),
}


def _fits(value: Any, annotation: str) -> bool:
    return isinstance(value, _TYPES[annotation]) and not isinstance(value, bool)
