"""Everything that is read from others: by what, which errors it may end in, and samples of it.

What a reader raises beside those errors is a fault; so are seconds and memory without bound.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import yaml
from safetensors import safe_open

from pipeline.bus import WireError, decode, encode, requests
from pipeline.bus.preview import Preview, decode_preview, encode_preview
from pipeline.config import DEMO_ENCODER, Matcher, Topology, load_site
from pipeline.encoders.comparison import read_comparison
from pipeline.errors import CamtrailError
from pipeline.evaluate.truth import read_truth
from pipeline.inference.shared import messages
from pipeline.records import Envelope
from pipeline.replay.file import EncoderSaid, Header, Recording, write_recording
from pipeline.viewer.pictures import PictureError, read_picture
from reid_models import EncoderError, load_encoder
from tests.pipeline.bus.samples import progress, update

RUN = "01JGZZZZZZZZZZZZZZZZZZZZZZ"


@dataclass(frozen=True)
class Target:
    """A reader of bytes, the errors that it may raise, and inputs to begin with."""

    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    samples: tuple[bytes, ...]

    def __call__(self, data: bytes) -> None:
        """Reads ``data``; raises only what is a fault."""
        with suppress(*self.errors):
            self.read(data)


def targets(folder: Path) -> dict[str, Target]:
    """All of them by name; those that read a file find it in ``folder``."""

    def file(name: str, data: bytes) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return {
        "wire": Target(_wire, (WireError,), _wire_samples()),
        "preview": Target(decode_preview, (WireError,), _previews()),
        "request": Target(requests.read, (), _requests()),
        "inference": Target(_packet, (messages.MessageError,), _packets()),
        "config": Target(
            lambda data: load_site(file("site.yaml", data)), (CamtrailError,), _sites()
        ),
        "truth": Target(
            lambda data: read_truth(file("gate.gt.txt", data).parent, ["gate"]),
            (CamtrailError,),
            (b"1,1,10,20,30,60,1,-1,-1,-1\n2,1,11,20,30,60,0\n",),
        ),
        "picture": Target(read_picture, (PictureError,), _pictures()),
        "encoder": Target(
            lambda data: load_encoder(file("encoder.safetensors", data), "cpu"),
            (EncoderError,),
            _encoders(),
        ),
        "recording": Target(
            lambda data: list(Recording(file("read.camtrail", data)).messages()),
            (CamtrailError,),
            _recordings(folder / "written.camtrail"),
        ),
        "comparison": Target(
            lambda data: read_comparison(file("comparison.json", data)),
            (CamtrailError,),
            _comparisons(),
        ),
    }


def _wire(data: bytes) -> None:
    """Whatever is taken can be sent on."""
    encode(decode(data))


def _wire_samples() -> tuple[bytes, ...]:
    return encode(Envelope(1, update(RUN))), encode(Envelope(2, progress(RUN)))


def _previews() -> tuple[bytes, ...]:
    preview = Preview("gate", RUN, 7, 1e9, 640, 480, {3: (1.0, 2.0, 30.0, 80.0)}, b"\xff\xd8jpeg")
    return (encode_preview(preview),)


def _requests() -> tuple[bytes, ...]:
    request = requests.Request("a" * 32, "merge", "Ada", 1e9, 2e9, {"identities": [1, 2]})
    return (json.dumps(asdict(request)).encode(),)


_PACKETS: tuple[messages.Message, ...] = (
    messages.Welcome("s" * 32, 384, 32, "f" * 32, 256, None, 128, 64),
    messages.Hello("gate", 8, 2**20, 2**16),
    messages.Request(1, messages.Kind.DETECT, 0, 1, 480, 640),
    messages.Answer(1, 3, ""),
)


def _packet(data: bytes) -> None:
    """The first byte says which of the messages is expected."""
    messages.unpack(type(_PACKETS[data[0] % len(_PACKETS)] if data else _PACKETS[0]), data[1:])


def _packets() -> tuple[bytes, ...]:
    return tuple(bytes([i]) + messages.pack(packet) for i, packet in enumerate(_PACKETS))


def _sites() -> tuple[bytes, ...]:
    gate = {
        "source": "rtsp://viewer:secret@10.0.0.5/a",
        "fps": 10,
        "masks": [[[0, 0], [9, 0], [0, 9]]],
    }
    whole = {
        "site": "shop",
        "redis": "rediss://user:secret@host:6379/0",
        "cameras": {
            "gate": gate,
            "lobby": {"source": "lobby.mp4", "start": "2026-01-05T08:00:00Z"},
        },
        "topology": {"transit": [{"from": "gate", "to": "lobby", "seconds": [5, 90]}]},
        "matcher": {"accept": 0.7, "new": 0.5},
        "notify": {"webhooks": {"guard": {"url": "https://example.org/in", "secret": "s" * 16}}},
    }
    return (yaml.safe_dump(whole).encode(), b"site: s\ncameras: {gate: {source: gate.mp4}}\n")


def _pictures() -> tuple[bytes, ...]:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3), np.uint8)
    picture = PIL.Image.fromarray(pixels)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    samples = []
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        picture.save(out, kind, exif=exif)
        samples.append(out.getvalue())
    return tuple(samples)


def _encoders() -> tuple[bytes, ...]:
    """The description of the demo's encoder without its weights: small, so it is tried often."""
    with safe_open(DEMO_ENCODER, framework="np") as file:
        description = file.metadata()["camtrail"]
    header = json.dumps({"__metadata__": {"camtrail": description}}).encode()
    return (struct.pack("<Q", len(header)) + header,)


def _recordings(path: Path) -> tuple[bytes, ...]:
    header = Header(
        site="shop",
        cameras=("gate",),
        topology=Topology(),
        matcher=Matcher(),  # type: ignore[call-arg]
        encoder=EncoderSaid(fingerprint="f" * 16, accept=0.7, new=0.5),
    )
    write_recording(path, header, [Envelope(1, update(RUN)), Envelope(2, progress(RUN))])
    return (path.read_bytes(),)


def _comparisons() -> tuple[bytes, ...]:
    gain = {"value": 0.1, "low": 0.05, "high": 0.15}
    sides = {"old": {"fingerprint": "a" * 32}, "new": {"fingerprint": "b" * 32}}
    return (json.dumps({"format": 1, "data": "d", **sides, "gain": gain, "better": True}).encode(),)
