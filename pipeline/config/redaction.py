"""Secrets in URLs, hidden."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config.model import Site

URL = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_HOST = re.compile(r"[^:]*(:\d*)?")
_URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")


def redact_url(url: str) -> str:
    """The URL with its password, and every value of its query, replaced by ``***``."""
    match = URL.match(url)
    if not match:
        return url
    scheme, rest = match.group(), url[match.end() :]
    user, at, place = rest.rpartition("@")  # the last @: a password may hold /, ? and @
    before, mark, _ = user.partition("?")
    if mark and ("/" in before or _HOST.fullmatch(before)):
        # An @ in the query, or a ? in the password: it cannot be told, so all of it is hidden.
        return f"{scheme}{re.split('[:/?]', rest)[0]}/***"
    host, _, query = place.partition("?")
    if ":" in user:
        user = user.split(":", 1)[0] + ":***"
    return scheme + user + at + host + ("?" + re.sub(r"=[^&]*", "=***", query) if query else "")


def redact(text: str) -> str:
    """``text`` with every URL in it redacted."""
    return _URL_IN_TEXT.sub(lambda match: redact_url(match.group()), text)


def effective(site: Site) -> dict[str, Any]:
    """The whole configuration, defaults included, as plain data with secrets redacted."""
    data = site.model_dump(mode="json", by_alias=True)
    return {key: _redacted(value) for key, value in data.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_url(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value
