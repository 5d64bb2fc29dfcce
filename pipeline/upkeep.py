"""`camtrail store info|upgrade|downgrade|compact`: the database as a whole."""

from __future__ import annotations

from pathlib import Path

from pipeline.alone import no_matcher
from pipeline.config import Site, redact_url
from pipeline.errors import CamtrailError
from pipeline.output import print_json
from pipeline.store import connection, versions
from pipeline.store.connection import database_file, has_store, open_database, readable_errors
from pipeline.store.overwriting import compact as write_anew


def show(site: Site, *, as_json: bool) -> None:
    """Prints where the store is and which version it has."""
    file = database_file(site.store_url)
    where = str(file or redact_url(site.store_url))
    version = None
    if has_store(site.store_url):
        engine = open_database(site.store_url, read_only=True)
        version = versions.version_of(engine)
        engine.dispose()
    copies = versions.copies(file) if file else []
    if as_json:
        facts = {"store": where, "version": version, "latest": versions.LATEST, "copies": copies}
        print_json(facts)
        return
    if version is None:
        print(f"{where}: nothing is stored so far")
        return
    late = "" if version == versions.LATEST else f"; this program writes {versions.LATEST}"
    print(f"{where}: version {version}{late}")
    for copy in copies:
        print(f"{copy}: as it was before its version was changed; delete it when all is well")


def change_version(site: Site, version: int) -> None:
    """Brings the store to a version, older or newer.

    Raises:
        CamtrailError: there is no such version or no store, or a matcher runs.
    """
    if not versions.OLDEST <= version <= versions.LATEST:
        raise CamtrailError(
            f"--to {version}: there are versions {versions.OLDEST} to {versions.LATEST}"
        )
    _require_store(site)
    with no_matcher(site):
        engine = open_database(site.store_url, read_only=True)
        before = versions.version_of(engine)
        engine.dispose()
        copy: Path | None = None
        if version != before:
            copy = connection.change_version(site.store_url, version)
    print(f"version {before} before, {version} now" + (f"; a copy: {copy}" if copy else ""))


def compact(site: Site) -> None:
    """Writes the database anew, without what was ever deleted from it.

    Raises:
        CamtrailError: there is no store, or a matcher runs.
    """
    _require_store(site)
    with no_matcher(site), readable_errors("the store"):
        engine = open_database(site.store_url, read_only=False)
        write_anew(engine)
        engine.dispose()
    print("the database was written anew; what was deleted is in none of its tables' files")


def _require_store(site: Site) -> None:
    if not has_store(site.store_url):
        raise CamtrailError("nothing is stored so far; `camtrail run` begins it")
