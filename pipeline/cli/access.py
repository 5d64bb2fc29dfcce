"""Commands about who may look, and who did."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_SITE, AsJson, SiteFile, load

app = typer.Typer()
users = typer.Typer(help="Who may use the viewer.", no_args_is_help=True)
app.add_typer(users, name="users")
tokens = typer.Typer(help="Tokens by which programs use the viewer's API.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")
UserName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the user.")]
RoleName = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="viewer|operator|administrator",
        help="A viewer looks, an operator also corrects, an administrator may everything.",
    ),
]


@users.command("add", epilog="Example: camtrail users add ada site.yaml --role administrator")
def add_user(name: UserName, site: SiteFile = DEFAULT_SITE, role: RoleName = "viewer") -> None:
    """Add a user; the password is asked for, or read from the standard input.

    From the first user on, the viewer asks everybody to log in.
    """
    from pipeline.viewer.access import command

    command.add_user(load(site), name, role)


@users.command("list", epilog="Example: camtrail users list site.yaml")
def list_users(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """List the users and their roles."""
    from pipeline.viewer.access import command

    command.list_users(load(site), as_json=json)


@users.command("remove", epilog="Example: camtrail users remove ada site.yaml")
def remove_user(name: UserName, site: SiteFile = DEFAULT_SITE) -> None:
    """Remove a user, with the sessions and tokens."""
    from pipeline.viewer.access import command

    command.remove_user(load(site), name)


@users.command("password", epilog="Example: camtrail users password ada site.yaml")
def change_password(name: UserName, site: SiteFile = DEFAULT_SITE) -> None:
    """Ask for another password; who has logged in with the old one is logged out."""
    from pipeline.viewer.access import command

    command.change_password(load(site), name)


@users.command("role", epilog="Example: camtrail users role ada site.yaml --role operator")
def change_role(name: UserName, role: RoleName, site: SiteFile = DEFAULT_SITE) -> None:
    """Give a user another role."""
    from pipeline.viewer.access import command

    command.change_role(load(site), name, role)


@tokens.command("add", epilog="Example: camtrail tokens add ada site.yaml --label door --days 30")
def add_token(
    name: UserName,
    site: SiteFile = DEFAULT_SITE,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    days: Annotated[float, typer.Option(help="How long it holds.")] = 90.0,
    role: Annotated[
        str | None,
        typer.Option(metavar="viewer|operator|administrator", help="At most the user's."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Print a new token that acts for a user; it is shown this once.

    Programs send it as `Authorization: Bearer TOKEN`.
    """
    from pipeline.viewer.access import command

    command.add_token(load(site), name, label, role, days, as_json=json)


@tokens.command("list", epilog="Example: camtrail tokens list site.yaml")
def list_tokens(site: SiteFile = DEFAULT_SITE, json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    from pipeline.viewer.access import command

    command.list_tokens(load(site), as_json=json)


@tokens.command("revoke", epilog="Example: camtrail tokens revoke 3 site.yaml")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `camtrail tokens list` says.")],
    site: SiteFile = DEFAULT_SITE,
) -> None:
    """End a token at once."""
    from pipeline.viewer.access import command

    command.revoke_token(load(site), number)


@app.command(epilog="Example: camtrail audit site.yaml --identity 17")
def audit(
    site: SiteFile = DEFAULT_SITE,
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this user did.")
    ] = None,
    identity: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="Only what was about this person.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many lines.")] = 100,
    json: AsJson = False,
) -> None:
    """Say who looked at whom in the viewer, and who changed what, the newest first."""
    from pipeline.viewer.access import command

    command.show_audit(load(site), author, identity, limit, as_json=json)
