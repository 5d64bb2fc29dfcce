"""Passwords as they are kept."""

from __future__ import annotations

from pipeline.viewer.access.passwords import hash_password, is_password


def test_a_password_is_hashed_as_rfc_9106_recommends() -> None:
    kept = hash_password("correct horse battery")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert kept != hash_password("correct horse battery")
    assert is_password(kept, "correct horse battery")
    assert not is_password(kept, "correct horse batterz")
    assert not is_password("no hash", "correct horse battery")
