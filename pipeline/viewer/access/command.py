"""`camtrail users`, `camtrail tokens` and `camtrail audit`."""

from __future__ import annotations

import getpass
import sys

from rich import box
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from pipeline.author import logged_in
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.output import local_time, print_json
from pipeline.store.connection import has_store, open_database
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.history import Page, Position, read_page
from pipeline.viewer.access.log import Deed
from pipeline.viewer.access.passwords import check_password
from pipeline.viewer.access.roles import Role


def add_user(site: Site, name: str, role: str) -> None:
    """Asks for a password."""
    chosen, access = _role(role), _access(site)
    access.users.add(name, _ask_password(name), chosen)
    access.log.deed(logged_in(), Deed.USER_ADDED, user=name, role=chosen)
    print(f"user {name} added, {chosen}")


def list_users(site: Site, *, as_json: bool) -> None:
    """Prints names and roles."""
    found = _access(site).users.all()
    if as_json:
        print_json({"users": found})
        return
    rows = [[user.name, user.role, local_time(user.created)] for user in found]
    _print_table(("user", "role", "since"), rows, "nobody: the viewer asks for no login")


def remove_user(site: Site, name: str) -> None:
    """Removes somebody with sessions and tokens."""
    access = _access(site)
    access.users.remove(name)
    access.log.deed(logged_in(), Deed.USER_REMOVED, user=name)
    print(f"user {name} removed, and logged out everywhere")
    if not access.users.anybody():
        print("camtrail: nobody is left: on loopback there is no login now", file=sys.stderr)


def change_password(site: Site, name: str) -> None:
    """Asks for another password."""
    access = _access(site)
    access.users.set_password(name, _ask_password(name))
    access.log.deed(logged_in(), Deed.PASSWORD, user=name)
    print(f"password of {name} changed; {name} has to log in again everywhere")


def change_role(site: Site, name: str, role: str) -> None:
    """Gives somebody another role."""
    chosen, access = _role(role), _access(site)
    access.users.set_role(name, chosen)
    access.log.deed(logged_in(), Deed.ROLE, user=name, role=chosen)
    print(f"user {name} is {chosen} now")


def add_token(
    site: Site, user: str, label: str, role: str | None, days: float, *, as_json: bool
) -> None:
    """Prints a new token, the only time that it is seen."""
    access = _access(site)
    token, secret = access.tokens.add(user, label, _role(role) if role else None, days)
    detail = {"user": user, "token": token.id, "label": label, "role": token.role}
    access.log.deed(logged_in(), Deed.TOKEN_ADDED, **detail)
    if as_json:
        print_json({"token": token, "secret": secret})
        return
    until = local_time(token.expires)
    print(f"token {token.id} of {user}, {token.role}, until {until}:", file=sys.stderr)
    print(secret)
    print("it is kept nowhere: write it down now", file=sys.stderr)


def list_tokens(site: Site, *, as_json: bool) -> None:
    """Prints them without their secrets."""
    found = _access(site).tokens.all()
    if as_json:
        print_json({"tokens": found})
        return
    rows = [
        [str(token.id), token.user, token.role, token.label, local_time(token.expires)]
        for token in found
    ]
    _print_table(("id", "user", "role", "label", "until"), rows, "no tokens")


def revoke_token(site: Site, number: int) -> None:
    """Ends one at once."""
    access = _access(site)
    token = access.tokens.revoke(number)
    access.log.deed(logged_in(), Deed.TOKEN_REVOKED, user=token.user, token=number)
    print(f"token {number} of {token.user} revoked")


def show_audit(
    site: Site, author: str | None, identity: int | None, limit: int, *, as_json: bool
) -> None:
    """Prints who looked at whom and who changed what, the newest first."""
    page = read_page(_access(site).log, _store(site), author, identity, limit, Position())
    if as_json:
        lines = [
            {"changed": changed, **vars(line)}
            for line, changed in zip(page.lines, page.changed, strict=True)
        ]
        print_json({"lines": lines, "more": page.next is not None})
        return
    _print_audit(page)


def _print_audit(page: Page) -> None:
    rows = [
        [
            local_time(line.time),
            line.author,
            line.action if line.times == 1 else f"{line.action} ({line.times} times)",
            ", ".join(map(str, line.identities)),
            ", ".join(f"{key}: {value}" for key, value in line.detail.items()),
        ]
        for line in page.lines
    ]
    _print_table(("when", "who", "what", "identities", ""), rows, "nothing yet")
    if page.next is not None:
        print("there are older lines; --limit shows more")


def _access(site: Site) -> Access:
    return Access(site.data_dir, site.viewer.audit_days)


def _store(site: Site) -> Engine | None:
    if not has_store(site.store_url):
        return None
    return open_database(site.store_url, read_only=True)


def _role(text: str) -> Role:
    if text not in list(Role):
        raise CamtrailError(f"--role {text}: there are {', '.join(Role)}")
    return Role(text)


def _ask_password(name: str) -> str:
    """From the terminal, twice; else a line of the standard input."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CamtrailError("expected the password as a line on the standard input")
        return password
    password = getpass.getpass(f"Password for {name}: ")
    check_password(password, name)
    if getpass.getpass("Again: ") != password:
        raise CamtrailError("these are two different passwords; nothing has changed")
    return password


def _print_table(columns: tuple[str, ...], rows: list[list[str]], nothing: str) -> None:
    if not rows:
        print(nothing)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)
