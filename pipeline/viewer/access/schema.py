"""The tables of ``access.sqlite``, version 1. No password, token or session stands in it as it is.

============  ====================================================================================
``users``     names, roles, and passwords as argon2 hashes
``tokens``    for programs: each acts for a user, with at most that user's role, until it expires
``sessions``  who has logged in
``audit``     who looked at whom, who logged in, and what was done to users
``looked``    the identities of a line of it, to find the lines of one
============  ====================================================================================
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, Table, Text

VERSION = 1

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", Float, nullable=False),
)


def _user() -> Column[str]:
    reference = ForeignKey("users.name", ondelete="CASCADE")
    return Column("user", Text, reference, nullable=False, index=True)


tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    _user(),
    Column("label", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", Text, primary_key=True),
    _user(),
    Column("created", Float, nullable=False),
    Column("used", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", Float, nullable=False, index=True),  # by the clock
    Column("until", Float, nullable=False),  # of the last that this line stands for
    Column("times", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("identities", Text, nullable=False),  # JSON: whom it was about
    Column("detail", Text, nullable=False),  # JSON
    sqlite_autoincrement=True,  # a page of the list begins behind a number
)

looked = Table(
    "looked",
    metadata,
    Column("identity", Integer, primary_key=True),
    Column("line", Integer, ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True),
)
