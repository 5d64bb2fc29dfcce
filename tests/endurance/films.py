"""Films of a simulated site for cameras that run for hours."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

_PICTURES = 60
_X265 = "log-level=none:pools=1:frame-threads=1"  # many threads take long on a busy machine


def looped(film: Path, out: Path, seconds: float) -> Path:
    """The packets of a film again and again, for so long."""
    with av.open(str(film)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        base = packets[0].time_base
        assert base is not None
        frame = min(p.duration for p in packets if p.duration)
        length = max(p.pts for p in packets if p.pts is not None) + frame
        data = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets]
        rounds = int(seconds / float(length * base)) + 1
        for number in range(rounds):
            for content, pts, dts, key in data:
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.is_keyframe = stream, base, key
                packet.pts, packet.dts = pts + number * length, dts + number * length
                packet.duration = frame
                target.mux(packet)
    return out


def other(film: Path, out: Path, codec: str, width: int, height: int, fps: int = 10) -> Path:
    """Its first pictures in another codec and size."""
    with av.open(str(film)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "10", "x265-params": _X265}
        stream.codec_context.time_base = Fraction(1, fps)
        for number, frame in enumerate(islice(source.decode(video=0), _PICTURES)):
            picture = frame.reformat(width, height, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            target.mux(stream.encode(picture))
        target.mux(stream.encode())
    return out
