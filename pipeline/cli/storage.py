"""Commands on the database as a whole, and on what is kept how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load

app = typer.Typer()
store = typer.Typer(help="The database of a site: its version, its size.", no_args_is_help=True)
app.add_typer(store, name="store")


@app.command(epilog="Example: camtrail export site.yaml --out visits --coarsen 5m")
def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; new or empty.")],
    site: SiteFile = DEFAULT_SITE,
    format_: Annotated[
        str, typer.Option("--format", metavar="csv|jsonl", help="How the files are written.")
    ] = "csv",
    coarsen: Annotated[
        str | None, typer.Option(help="Round times down to this: 1m, 15m, 1h, 1d.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only visits since: a date and time, or 30m, 12h, 7d ago."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write who went where under pseudonyms, for statistics: no names, pictures or embeddings.

    The pseudonyms of each export are its own: nobody can join two of them.
    """
    from pipeline.export import export as command

    command(load(site), out, format_, coarsen, since, as_json=json)


@app.command(epilog="Example: camtrail retention site.yaml")
def retention(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Show each kind of data: how long it is kept, how much there is, what is deleted next.

    It deletes nothing itself.
    """
    from pipeline.retention.command import show as command

    command(load(site), as_json=json)


@store.command(epilog="Example: camtrail store info site.yaml")
def info(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """Say where the store is and which version of the schema it has."""
    from pipeline.upkeep import show

    show(load(site), as_json=json)


@store.command(epilog="Example: camtrail store upgrade site.yaml")
def upgrade(site: SiteFile = DEFAULT_SITE) -> None:
    """Bring a store of an older camtrail up to date, as the matcher does when it starts.

    Of SQLite a copy is left beside it; of PostgreSQL make one yourself before (pg_dump).
    """
    from pipeline.store.versions import LATEST
    from pipeline.upkeep import change_version

    change_version(load(site), LATEST)


@store.command(epilog="Example: camtrail store downgrade site.yaml --to 3")
def downgrade(
    to: Annotated[int, typer.Option(help="The version that the older camtrail writes.")],
    site: SiteFile = DEFAULT_SITE,
) -> None:
    """Make a store one that an older camtrail can use.

    What the older version has no place for is lost, but for the copy that is left of SQLite.
    """
    from pipeline.upkeep import change_version

    change_version(load(site), to)


@store.command(epilog="Example: camtrail store compact site.yaml")
def compact(site: SiteFile = DEFAULT_SITE) -> None:
    """Write the database anew: it gets smaller, and nothing of what was deleted is left in it.

    While it lasts nobody else can use it.
    """
    from pipeline.upkeep import compact as command

    command(load(site))


@store.command(epilog="Example: camtrail store newkey crops.key")
def newkey(
    file: Annotated[Path, typer.Argument(help="The file that encryption.key_file names.")],
) -> None:
    """Put a new key of the crops before those of a file, which is made where it is missing.

    The first key encrypts; those behind it still decrypt what they have encrypted.
    """
    from pipeline.rekey import new_key

    new_key(file)


@store.command(epilog="Example: camtrail store rekey site.yaml")
def rekey(
    site: SiteFile = DEFAULT_SITE,
    decrypt: Annotated[
        bool, typer.Option("--decrypt", help="Write them without encryption.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Encrypt all crops with the first key, those that are not encrypted yet among them.

    Where it was stopped, the next one goes on. While it lasts no matcher may run.
    """
    from pipeline.rekey import rekey as command

    raise typer.Exit(command(load(site), decrypt=decrypt, as_json=json))
