"""What a receiver gets, and how it knows from whom."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

from pipeline.config import Site
from pipeline.notify.outbox import Note
from pipeline.notify.sightings import Sighting


@dataclass(frozen=True, slots=True)
class Message:
    """``id`` is the same however often it comes, ``body`` is JSON."""

    id: str
    event: str
    body: bytes


def message_of(site: Site, note: Note, sighting: Sighting) -> Message:
    """Who was seen, where and when; no picture."""
    address = _viewer(site)
    said = {
        "identity": note.identity,
        "name": sighting.name,
        "camera": note.key.camera,
        "time": _iso(note.start),
        "unseen_seconds": None if note.unseen is None else round(note.unseen, 3),
        "watched": sighting.watched,
        "link": f"{address}/identities/{note.identity}" if address else None,
    }
    return _message(site, note.name, note.occasion, said)


def trial_message(site: Site) -> Message:
    """One that says only that it comes from here."""
    return _message(site, str(ULID()), "test", {"time": _iso(datetime.now(UTC).timestamp())})


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """``sha256=`` and the HMAC-SHA256, in hexadecimal, of ``TIMESTAMP.BODY``."""
    signed = f"{timestamp}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _message(site: Site, name: str, event: str, said: dict[str, Any]) -> Message:
    content = {"id": name, "event": event, "site": site.site, **said}
    return Message(name, event, json.dumps(content, ensure_ascii=False).encode())


def _iso(seconds: float) -> str:
    """As in 2026-01-05T08:00:02.100Z."""
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _viewer(site: Site) -> str | None:
    """Where the viewer is, without a slash at the end; None where that is not known."""
    if site.notify.viewer_url is not None:
        return site.notify.viewer_url.rstrip("/")
    viewer = site.viewer
    if not viewer.port:
        return None
    host = f"[{viewer.host}]" if ":" in viewer.host else viewer.host
    return f"{'https' if viewer.tls else 'http'}://{host}:{viewer.port}"
