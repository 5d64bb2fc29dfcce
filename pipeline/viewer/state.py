"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from pipeline.config import Site
from pipeline.keyring import Keyring
from pipeline.viewer.access.access import Access
from pipeline.viewer.blurring import Blurring
from pipeline.viewer.finder import Finder
from pipeline.viewer.health import HealthReader
from pipeline.viewer.metrics import WATCHING
from pipeline.viewer.records import Records
from pipeline.viewer.security import Door


class Streams:
    """Counts who watches live: entered by each, on the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1
        WATCHING.set(self.count)

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        WATCHING.set(self.count)


@dataclass(frozen=True)
class Viewer:
    """A site as it is viewed."""

    site: Site
    records: Records
    health: HealthReader
    finder: Finder
    streams: Streams
    door: Door
    access: Access
    keyring: Keyring
    blurring: Blurring

    @staticmethod
    def of(site: Site) -> Viewer:
        """Nothing is opened yet.

        Raises:
            CamtrailError: the key of the crops cannot be read.
        """
        records, door = Records(site), Door.of(site.viewer)
        access = Access(site.data_dir, site.viewer.audit_days, door.open_at_first)
        health = HealthReader(site, records)
        keyring = Keyring.of(site.encryption)
        finder, blurring = Finder(site), Blurring(site, records)
        return Viewer(site, records, health, finder, Streams(), door, access, keyring, blurring)


def viewer_of(request: Request) -> Viewer:
    """The one of the running application."""
    viewer = request.app.state.viewer
    assert isinstance(viewer, Viewer)
    return viewer
