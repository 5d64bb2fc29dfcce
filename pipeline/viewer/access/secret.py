"""Secrets that we make: too long to be guessed, so that a plain hash of them can be kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32


def new_secret(prefix: str = "") -> str:
    """One that nobody else has."""
    return prefix + secrets.token_urlsafe(_BYTES)


def hashed(secret: str) -> str:
    """As it is kept, 64 hexadecimal digits; the lookup by it says nothing of the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def derived(secret: str, purpose: str) -> str:
    """Another secret, which does not give the first one away."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()
