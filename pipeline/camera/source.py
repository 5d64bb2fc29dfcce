"""Where a camera's pictures come from.

A file gives every frame, decoded ahead of its reader; a live source gives the newest one and
reconnects for as long as it takes. Both decode in a thread of their own.
"""

from __future__ import annotations

from typing import Protocol

from pipeline import config
from pipeline.camera.files import FileSource
from pipeline.camera.live import LiveSource
from pipeline.records import Frame


class Source(Protocol):
    """A camera's pictures.

    Attributes:
        live: whether it runs on the clock.
        fps: how many frames a second are given, as far as is known.
        ended: whether nothing more follows; never so for a live source.
        connected: whether pictures can be expected now.
        message: what is wrong with the source, or "".
        reconnects: how often the connection was lost.
    """

    live: bool
    fps: float

    @property
    def ended(self) -> bool: ...
    @property
    def connected(self) -> bool: ...
    @property
    def message(self) -> str: ...
    @property
    def reconnects(self) -> int: ...

    def read(self, timeout: float) -> Frame | None:
        """The next frame; None when there was none for ``timeout`` seconds or it has ended.

        Raises:
            CamtrailError: a file turned out not to hold a single picture.
        """

    def now(self) -> float:
        """The capture time that is reached: of the clock, or of a file's last frame."""

    def close(self) -> None:
        """Stops reading."""


def open_source(camera: config.Camera, name: str, after: int = 0) -> Source:
    """Opens the pictures of the camera ``name``.

    Args:
        camera: its configuration.
        name: goes into the frames.
        after: number of the last frame of a file that is not needed any more; 0 for none.

    Raises:
        CamtrailError: a file or folder is missing or holds no video. A live source that is away
            is no error: it is tried again.
    """
    return LiveSource(camera, name) if camera.live else FileSource(camera, name, after)
