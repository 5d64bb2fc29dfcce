"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from pipeline.config import Site
from pipeline.viewer.finder import Finder
from pipeline.viewer.health import HealthReader
from pipeline.viewer.records import Records


class Streams:
    """Counts who watches live: entered by each, on the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


@dataclass(frozen=True)
class Viewer:
    """A site as it is viewed."""

    site: Site
    records: Records
    health: HealthReader
    finder: Finder
    streams: Streams

    @staticmethod
    def of(site: Site) -> Viewer:
        """Nothing is opened yet."""
        records = Records(site)
        return Viewer(site, records, HealthReader(site, records), Finder(site), Streams())


def viewer_of(request: Request) -> Viewer:
    """The one of the running application."""
    viewer = request.app.state.viewer
    assert isinstance(viewer, Viewer)
    return viewer
