"""Passwords: what may be one, and how they are kept and compared."""

from __future__ import annotations

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.errors import CamtrailError

LEAST = 12  # characters
MOST_BYTES = 1024

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106 for little memory
_AT_ONCE = threading.BoundedSemaphore(2)  # each takes 64 MiB


def check_password(password: str, name: str) -> None:
    """Whether it may be the password of this user.

    Raises:
        CamtrailError: it is too short, too long, or the name.
    """
    if len(password) < LEAST:
        raise CamtrailError(f"a password has at least {LEAST} characters")
    if len(password.encode()) > MOST_BYTES:
        raise CamtrailError(f"a password has at most {MOST_BYTES} bytes")
    if name in password.lower() and len(password) < LEAST + len(name):
        raise CamtrailError("this password is little more than the name; take another")


def hash_password(password: str) -> str:
    """As it is kept."""
    with _AT_ONCE:
        return _HASHER.hash(_same(password))


def is_password(kept: str, password: str) -> bool:
    """Whether this is the password that is kept so; takes the same time for every wrong one."""
    if len(password.encode()) > MOST_BYTES:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept, _same(password))
        except (VerificationError, InvalidHashError):
            return False


def _same(password: str) -> bytes:
    """One form for letters that keyboards compose differently."""
    return unicodedata.normalize("NFKC", password).encode()


# What the passwords of unknown users are compared with, so that they take as long.
NOBODYS = _HASHER.hash(b"")
