"""`camtrail users`, `tokens` and `audit`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer.testing

from pipeline.cli import app
from pipeline.errors import CamtrailError
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.asker import Credentials
from pipeline.viewer.access.log import Look
from pipeline.viewer.access.roles import Role
from tests.pipeline.viewer.access.conftest import PASSWORD


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text("site: s\ncameras: {gate: {source: gate.mp4}}\n")
    return path


def camtrail(*arguments: object, stdin: str = "") -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)


def test_users_and_tokens_from_the_first_to_the_last(
    site: Path, tmp_path: Path, quick_hashes: None
) -> None:
    added = camtrail("users", "add", "ada", site, "--role", "administrator", stdin=PASSWORD + "\n")
    assert (added.exit_code, added.stdout) == (0, "user ada added, administrator\n")
    listed = json.loads(camtrail("users", "list", site, "--json").stdout)["users"]
    assert [(user["name"], user["role"]) for user in listed] == [("ada", "administrator")]
    assert "password" not in listed[0]

    access = Access(tmp_path / "data", 1)
    assert access.users.has_password("ada", PASSWORD)
    token = camtrail("tokens", "add", "ada", site, "--label", "door", "--role", "viewer", "--json")
    secret = json.loads(token.stdout)["secret"]
    asker = access.recognise(Credentials(token=secret))
    assert asker is not None
    assert (asker.name, asker.role) == ("ada", Role.VIEWER)
    shown = camtrail("tokens", "list", site, "--json").stdout
    assert secret not in shown
    assert [t["label"] for t in json.loads(shown)["tokens"]] == ["door"]
    assert camtrail("tokens", "revoke", 1, site).exit_code == 0
    assert access.recognise(Credentials(token=secret)) is None

    access.log.look("ada", Look.PERSON, [17])
    lines = json.loads(camtrail("audit", site, "--json").stdout)["lines"]
    assert [line["action"] for line in lines] == [
        "looked at",
        "revoked token",
        "added token",
        "added user",
    ]
    (line,) = json.loads(camtrail("audit", site, "--identity", 17, "--json").stdout)["lines"]
    assert (line["author"], line["identities"], line["changed"]) == ("ada", [17], False)
    assert "looked at" in camtrail("audit", site).stdout

    removed = camtrail("users", "remove", "ada", site)
    assert removed.exit_code == 0
    assert "no login" in removed.stderr
    assert access.users.all() == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        ("users add ada --role administrator", "", "expected the password as a line"),
        ("users add ada --role administrator", "short\n", "at least 12 characters"),
        ("users add ada --role king", PASSWORD, "there are viewer, operator, administrator"),
        ("users add ada", PASSWORD, "first user has to be an administrator"),
        ("users remove ada", "", "there is no user 'ada'; there is none yet"),
        ("tokens revoke 3", "", "there is no token 3"),
    ],
)
def test_what_cannot_be_is_said(site: Path, arguments: str, stdin: str, says: str) -> None:
    command, name, *rest = arguments.split()
    result = camtrail(command, name, *rest[:1], site, *rest[1:], stdin=stdin)
    assert isinstance(result.exception, CamtrailError)
    assert says in str(result.exception)
    assert result.stdout == ""


def test_a_password_is_no_argument(site: Path) -> None:
    result = camtrail("users", "add", "ada", site, "--password", PASSWORD)
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_nothing_is_made_by_asking(site: Path, tmp_path: Path) -> None:
    assert camtrail("users", "list", site).stdout == "nobody: the viewer asks for no login\n"
    assert camtrail("tokens", "list", site).stdout == "no tokens\n"
    assert camtrail("audit", site).stdout == "nothing yet\n"
    assert not (tmp_path / "data").exists()
