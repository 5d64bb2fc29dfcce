"""Opens one camera for a few frames: ``python -m pipeline.doctor.probe SITE NAME``.

A process of its own, since a library that hangs or dies in a stranger's stream must not take the
other checks with it. Prints one JSON object, or says on stderr why there is no picture.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pipeline.camera.picture import PictureCheck
from pipeline.camera.source import Source, open_source
from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.records import Frame

FRAMES = 5


def main() -> None:
    """Reads a few frames of the camera named on the command line."""
    site = load_site(Path(sys.argv[1]))
    camera = site.camera(sys.argv[2])
    source = open_source(camera, sys.argv[2])
    frames = _read(source, time.monotonic() + camera.open_timeout + camera.read_timeout)
    if not frames:
        raise CamtrailError(source.message or f"{sys.argv[2]}: gives no picture")
    last = frames[-1]
    height, width = last.image.shape[:2]
    dark = PictureCheck().look(last.image, last.time) == "black"
    print(json.dumps({"width": width, "height": height, "fps": source.fps, "dark": dark}))


def _read(source: Source, until: float) -> list[Frame]:
    frames: list[Frame] = []
    try:
        while len(frames) < FRAMES and not source.ended and time.monotonic() < until:
            frame = source.read(timeout=0.2)
            if frame is not None:
                frames.append(frame)
    finally:
        source.close()
    return frames


if __name__ == "__main__":
    try:
        main()
    except CamtrailError as error:
        sys.exit(" ".join(str(error).split()))
