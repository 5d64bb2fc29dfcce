"""Users, sessions, tokens and what is kept of them."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import CamtrailError
from pipeline.viewer.access.access import Access, LoginError, TooOftenError
from pipeline.viewer.access.asker import Credentials
from pipeline.viewer.access.roles import Role
from pipeline.viewer.access.sessions import IDLE_SECONDS, LONGEST_SECONDS
from tests.pipeline.viewer.access.conftest import ADDRESS, PASSWORD, Clock

HOUR, DAY = 3600.0, 86_400.0


def session(secret: str) -> Credentials:
    return Credentials(session=secret)


@pytest.fixture
def ada(access: Access) -> Access:
    access.users.add("ada", PASSWORD, Role.ADMINISTRATOR)
    return access


def test_roles_are_ordered() -> None:
    for index, role in enumerate(Role):
        assert [role.may(other) for other in Role] == [index >= i for i in range(3)]
        assert [role.within(most) for most in Role] == [min(role, most, key=list(Role).index)
                                                        for most in Role]  # fmt: skip


def test_while_there_is_no_user_it_is_open_only_where_that_is_safe(tmp_path: Path) -> None:
    assert Access(tmp_path, 1).recognise(Credentials()) is None
    owner = Access(tmp_path, 1, open_at_first=True).recognise(Credentials())
    assert owner is not None
    assert (owner.role, owner.login) == (Role.ADMINISTRATOR, False)
    assert list(tmp_path.iterdir()) == []  # asking makes nothing


def test_from_the_first_user_on_everybody_logs_in(tmp_path: Path) -> None:
    access = Access(tmp_path, 1, open_at_first=True)
    Access(tmp_path, 1).users.add("ada", PASSWORD, Role.ADMINISTRATOR)
    assert access.recognise(Credentials()) is None
    asker = access.log_in("ada", PASSWORD, ADDRESS)
    assert access.recognise(asker.credentials) == asker
    assert (asker.name, asker.role, asker.login) == ("ada", Role.ADMINISTRATOR, True)


def test_the_file_is_the_owners_alone_and_holds_no_secret(ada: Access, tmp_path: Path) -> None:
    asker = ada.log_in("ada", PASSWORD, ADDRESS)
    _, token = ada.tokens.add("ada", "door", None, 1)
    for file in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        content = file.read_bytes()
        for secret in (PASSWORD, asker.credentials.session, asker.csrf, token):
            assert secret.encode() not in content
    with sqlite3.connect(tmp_path / "data" / "access.sqlite") as database:
        kept = database.execute("SELECT password FROM users").fetchone()[0]
    assert kept.startswith("$argon2id$")


def test_a_file_that_others_could_read_is_closed(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "access.sqlite").touch(0o644)
    Access(tmp_path, 1, clock=clock).users.add("ada", PASSWORD, Role.ADMINISTRATOR)
    assert stat.S_IMODE((tmp_path / "access.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_damaged_file_is_said_to_be_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "access.sqlite"
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
    else:
        path.write_bytes(content)
    with pytest.raises(CamtrailError, match=r"access\.sqlite.*(not a database|version 99)"):
        Access(tmp_path, 1, open_at_first=True).recognise(Credentials())


def test_a_wrong_password_and_an_unknown_user_look_alike(ada: Access) -> None:
    texts = []
    for name, password in (
        ("ada", "wrong" * 5),
        ("bob", PASSWORD),
        ("bob", ""),
        ("ada", "x" * 9999),
    ):
        with pytest.raises(LoginError) as error:
            ada.log_in(name, password, ADDRESS)
        texts.append(str(error.value))
    assert len(set(texts)) == 1


def test_letters_may_be_composed_in_two_ways(access: Access) -> None:
    access.users.add("ada", "caf\u00e9 caf\u00e9 caf\u00e9", Role.ADMINISTRATOR)
    assert access.log_in("ada", "cafe\u0301 cafe\u0301 cafe\u0301", ADDRESS).name == "ada"


@pytest.mark.parametrize("name", ["", "Ada", "a b", "../etc", "a" * 64, "-a", "a\n", "ä"])
def test_what_is_no_name(access: Access, name: str) -> None:
    with pytest.raises(CamtrailError, match="is no user name"):
        access.users.add(name, PASSWORD, Role.ADMINISTRATOR)


@pytest.mark.parametrize(
    ("password", "says"),
    [("short", "at least 12"), ("", "at least 12"), ("x" * 1025, "at most 1024"),
     ("margaret1234", "little more than the name")],
)  # fmt: skip
def test_what_is_no_password(access: Access, password: str, says: str) -> None:
    with pytest.raises(CamtrailError, match=says):
        access.users.add("margaret", password, Role.ADMINISTRATOR)
    assert access.users.all() == []


def test_there_is_always_an_administrator(access: Access) -> None:
    users = access.users
    with pytest.raises(CamtrailError, match="first user has to be an administrator"):
        users.add("ada", PASSWORD, Role.OPERATOR)
    users.add("ada", PASSWORD, Role.ADMINISTRATOR)
    users.add("bob", PASSWORD, Role.VIEWER)
    with pytest.raises(CamtrailError, match="nobody else is an administrator"):
        users.remove("ada")
    with pytest.raises(CamtrailError, match="nobody else is an administrator"):
        users.set_role("ada", Role.OPERATOR)
    users.set_role("bob", Role.ADMINISTRATOR)
    users.remove("ada")
    users.remove("bob")  # nobody is left who would be shut out
    assert users.all() == []


def test_unknown_and_doubled_users_are_named(ada: Access) -> None:
    with pytest.raises(CamtrailError, match="there is a user 'ada' already"):
        ada.users.add("ada", PASSWORD, Role.VIEWER)
    for call in (
        lambda: ada.users.remove("bob"),
        lambda: ada.users.set_role("bob", Role.VIEWER),
        lambda: ada.users.set_password("bob", PASSWORD),
        lambda: ada.tokens.add("bob", "", None, 1),
    ):
        with pytest.raises(CamtrailError, match="no user 'bob'; there are: ada"):
            call()


def test_a_session_expires_when_it_is_idle_and_at_last(ada: Access, clock: Clock) -> None:
    begun = clock.now
    secret = ada.log_in("ada", PASSWORD, ADDRESS).credentials.session
    while clock.now < begun + LONGEST_SECONDS - HOUR:
        clock.now += HOUR
        assert ada.recognise(session(secret))
    clock.now = begun + LONGEST_SECONDS + 1
    assert ada.recognise(session(secret)) is None
    clock.now = begun
    other = ada.log_in("ada", PASSWORD, ADDRESS).credentials.session
    clock.now += IDLE_SECONDS + 1
    assert ada.recognise(session(other)) is None
    ada.tidy()
    clock.now = begun + 1
    assert ada.recognise(session(other)) is None  # it is deleted


def test_what_ends_a_session(ada: Access) -> None:
    ada.users.add("bob", PASSWORD, Role.VIEWER)

    def logged_in(name: str = "bob") -> Credentials:
        return ada.log_in(name, PASSWORD, ADDRESS).credentials

    own, others = logged_in(), logged_in("ada")
    asker = ada.recognise(own)
    assert asker is not None
    ada.log_out(asker)
    assert ada.recognise(own) is None
    again = logged_in()
    ada.users.set_password("bob", PASSWORD)
    assert ada.recognise(again) is None
    last = logged_in()
    ada.users.set_role("bob", Role.OPERATOR)
    found = ada.recognise(last)
    assert found is not None
    assert found.role is Role.OPERATOR  # at once
    ada.users.remove("bob")
    assert ada.recognise(last) is None
    assert ada.recognise(others) is not None


@pytest.mark.parametrize("secret", ["", "x", "x" * 43, "' OR 1=1 --", "ä", "\0"])
def test_forged_secrets_open_nothing(ada: Access, secret: str) -> None:
    assert ada.recognise(Credentials(session=secret)) is None
    assert ada.recognise(Credentials(token=secret)) is None
    assert ada.recognise(Credentials(token=f"camtrail_{secret}")) is None


def test_the_hash_of_a_secret_opens_nothing(ada: Access, tmp_path: Path) -> None:
    ada.log_in("ada", PASSWORD, ADDRESS)
    ada.tokens.add("ada", "", None, 1)
    with sqlite3.connect(tmp_path / "data" / "access.sqlite") as database:
        for table in ("sessions", "tokens"):
            (kept,) = database.execute(f"SELECT hash FROM {table}").fetchone()
            assert ada.recognise(Credentials(session=kept)) is None
            assert ada.recognise(Credentials(token=kept)) is None


def test_a_token_has_at_most_the_role_of_its_user(ada: Access) -> None:
    ada.users.add("bob", PASSWORD, Role.OPERATOR)
    with pytest.raises(CamtrailError, match="'bob' is operator"):
        ada.tokens.add("bob", "", Role.ADMINISTRATOR, 1)
    _, full = ada.tokens.add("bob", "", None, 1)
    _, reading = ada.tokens.add("bob", "", Role.VIEWER, 1)
    assert full.startswith("camtrail_")
    roles = [ada.recognise(Credentials(token=secret)) for secret in (full, reading)]
    assert [asker and (asker.name, asker.role, asker.csrf) for asker in roles] == [
        ("bob", Role.OPERATOR, ""),
        ("bob", Role.VIEWER, ""),
    ]
    ada.users.set_role("bob", Role.VIEWER)
    found = ada.recognise(Credentials(token=full))
    assert found is not None
    assert found.role is Role.VIEWER


def test_a_token_ends(ada: Access, clock: Clock) -> None:
    token, secret = ada.tokens.add("ada", "door", None, 2)
    assert ada.tokens.all() == [token]
    clock.now += 2 * DAY - 1
    assert ada.recognise(Credentials(token=secret))
    clock.now += 1
    assert ada.recognise(Credentials(token=secret)) is None
    ada.tidy()
    assert ada.tokens.all() == []
    other, secret = ada.tokens.add("ada", "door", None, 2)
    assert ada.tokens.revoke(other.id) == other
    assert ada.recognise(Credentials(token=secret)) is None
    with pytest.raises(CamtrailError, match=f"no token {other.id}"):
        ada.tokens.revoke(other.id)


@pytest.mark.parametrize("days", [0, -1, 4000, float("nan"), float("inf")])
def test_a_token_does_not_hold_for_ever(ada: Access, days: float) -> None:
    with pytest.raises(CamtrailError, match="at most 3650 days"):
        ada.tokens.add("ada", "", None, days)


@pytest.mark.parametrize("label", ["x" * 101, "a\nb", "\x1b[31m"])
def test_a_label_is_one_line(ada: Access, label: str) -> None:
    with pytest.raises(CamtrailError, match="a label has at most"):
        ada.tokens.add("ada", label, None, 1)


def fail(access: Access, name: str, address: str) -> bool:
    """Whether it was tried at all."""
    with pytest.raises((LoginError, TooOftenError)) as error:
        access.log_in(name, "wrong password", address)
    return isinstance(error.value, LoginError)


def test_guessing_one_password_takes_ever_longer(ada: Access, clock: Clock) -> None:
    tried = 0
    for second in range(600):
        clock.now += 1
        tried += fail(ada, "ada", f"192.0.2.{second % 250}")
    assert tried < 5 + 6 + 600 / 60 + 1
    with pytest.raises(TooOftenError, match=r"wait \d+ s"):
        ada.log_in("ada", PASSWORD, "198.51.100.1")
    clock.now += 61
    assert ada.log_in("ada", PASSWORD, "198.51.100.1")  # nobody is shut out for long
    assert fail(ada, "ada", "198.51.100.1")


def test_guessing_from_one_address_takes_ever_longer(ada: Access, clock: Clock) -> None:
    tried = 0
    for second in range(200):
        clock.now += 1
        tried += fail(ada, f"user{second}", f"2001:db8::{second:x}")
    assert tried < 20 + 9
    with pytest.raises(TooOftenError):
        ada.log_in("ada", PASSWORD, "2001:db8::ffff")
    assert ada.log_in("ada", PASSWORD, "2001:db8:0:1::1")  # of another network


def test_who_is_slowed_down_does_not_slow_down_others(ada: Access, clock: Clock) -> None:
    for number in range(40):
        fail(ada, f"user{number}", "198.51.100.1")
    tried = 0
    for _ in range(14):
        clock.now += 1
        tried += fail(ada, "ada", "198.51.100.1")
    assert tried <= 4  # after 1, 2, 4 and 8 seconds
    assert ada.log_in("ada", PASSWORD, ADDRESS)


def test_guesses_at_once_count_as_well(ada: Access) -> None:
    with ThreadPoolExecutor(12) as pool:
        tried = list(pool.map(lambda _: fail(ada, "ada", ADDRESS), range(12)))
    assert sum(tried) <= 5


def test_searches_are_counted_by_user(ada: Access, clock: Clock) -> None:
    ada.users.add("bob", PASSWORD, Role.VIEWER)
    one, other = (ada.log_in(name, PASSWORD, ADDRESS) for name in ("ada", "bob"))
    for _ in range(60):
        clock.now += 0.1
        ada.count_search(one)
    with pytest.raises(TooOftenError, match=r"wait 5[45] s"):
        ada.count_search(one)
    ada.count_search(other)
    clock.now += 55
    ada.count_search(one)
