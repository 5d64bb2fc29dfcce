"""One frame of a camera for those who watch, as it goes over the channel.

A msgpack map: ``v`` 1, ``camera``, ``run``, ``frame``, ``time``, ``size`` [width, height] of the
full frame, ``people`` a list of [track, x1, y1, x2, y2] in its pixels, ``jpeg`` the picture, which
may be smaller, and where that hides people and some may see them, ``clear``, the same without.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from pipeline.bus.wire import WireError

VERSION = 1

MAX_BYTES = 2**22

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Preview:
    """``people`` are the boxes by the track of their tracklets, ``jpeg`` the picture; ``clear``
    is the one in which nobody is hidden, where there is such a one.
    """

    camera: str
    run: str
    frame: int
    time: float
    width: int
    height: int
    people: dict[int, Box]
    jpeg: bytes
    clear: bytes | None = None


def encode_preview(preview: Preview) -> bytes:
    """As it is sent."""
    said = {
        "v": VERSION,
        "camera": preview.camera,
        "run": preview.run,
        "frame": preview.frame,
        "time": preview.time,
        "size": [preview.width, preview.height],
        "people": [[track, *box] for track, box in preview.people.items()],
        "jpeg": preview.jpeg,
    }
    if preview.clear is not None:
        said["clear"] = preview.clear
    return bytes(msgpack.packb(said))


def decode_preview(data: bytes) -> Preview:
    """The inverse.

    Raises:
        WireError: it is no preview, or of another version.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"{len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        found = msgpack.unpackb(data)
        version = found["v"]
        width, height = found["size"]
        preview = Preview(
            camera=str(found["camera"]),
            run=str(found["run"]),
            frame=int(found["frame"]),
            time=float(found["time"]),
            width=int(width),
            height=int(height),
            people={
                int(track): (float(x1), float(y1), float(x2), float(y2))
                for track, x1, y1, x2, y2 in found["people"]
            },
            jpeg=_picture(found["jpeg"]),
            clear=_picture(found["clear"]) if "clear" in found else None,
        )
    except Exception as error:  # msgpack raises many kinds
        raise WireError(f"no preview: {type(error).__name__}: {error}") from None
    if version != VERSION:
        raise WireError(f"a preview of version {version}; this program reads version {VERSION}")
    return preview


def _picture(value: object) -> bytes:
    if not isinstance(value, bytes):  # of a number, bytes() would make so many zeros
        raise WireError("the picture is none")
    return value
