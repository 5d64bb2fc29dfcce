"""The store as the viewer sees it: opened when it is there, since the site may start later."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlalchemy import Engine, select

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.store.connection import open_database, readable_errors
from pipeline.store.schema import SCHEMA_VERSION, meta
from pipeline.viewer.catalogue import Catalogue, View
from pipeline.viewer.details import Details
from pipeline.viewer.prototypes import Prototypes


@dataclass(frozen=True)
class _Open:
    engine: Engine
    catalogue: Catalogue
    details: Details
    prototypes: Prototypes


class Records:
    """What is known of the site's people.

    Raises:
        CamtrailError: from each method, while there is no store or it cannot be read.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._open: _Open | None = None

    @property
    def engine(self) -> Engine:
        return self._opened().engine

    @property
    def catalogue(self) -> Catalogue:
        return self._opened().catalogue

    @property
    def details(self) -> Details:
        return self._opened().details

    @property
    def prototypes(self) -> Prototypes:
        return self._opened().prototypes

    def view(self) -> View:
        """Who was where, as of now."""
        return self.catalogue.view()

    def _opened(self) -> _Open:
        with self._lock:
            if self._open is None:
                self._open = self._read()
            return self._open

    def _read(self) -> _Open:
        engine = open_database(self._site.store_url, read_only=True)
        with readable_errors("the store"):
            with engine.connect() as connection:
                query = select(meta.c.value).where(meta.c.key == "schema")
                version = connection.scalar(query)
            if version != str(SCHEMA_VERSION):
                engine.dispose()
                raise CamtrailError(
                    f"store: it has the older schema version {version}; `camtrail run` brings it "
                    "up to date"
                )
            catalogue = Catalogue(engine)
        details = Details(engine, self._site.crops_dir)
        return _Open(engine, catalogue, details, Prototypes(engine))
