"""What the viewer says of a store in PostgreSQL is what it says of the same one in SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.config import Site
from pipeline.correct import correct
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.postgresql import Server

API = "/api/v1"
ASKED = (
    "identities",
    "identities?sort=visits&order=asc&limit=2",
    "identities?camera=gate",
    "identities?staff=true",
    "identities?watched=true",
    "identities/1",
    "identities/2/visits",
    "present?time=1767600005",
    "sequence?first=gate&then=lobby&within=60",
    "review",
    "corrections",
    "audit",
)


def answers(folder: Path, store: str | None) -> dict[str, Any]:
    """To all that is asked of a small site on which people have said something."""
    folder.mkdir()
    site = stored_site.create(folder)
    if store is not None:
        site = site.model_copy(update={"store": store})
    stored_site.fill(site, folder)
    said: list[tuple[str, dict[str, Any]]] = [
        ("staff", {"identity": 1, "staff": True}),
        ("watch", {"identity": 2, "reason": "lost a bag"}),
        ("rename", {"identity": 2, "name": "Grace"}),
        ("split", {"identity": 1, "tracklets": [["lobby", stored_site.RUN, 2]]}),
        ("undo", {"correction": None, "administrator": True}),
        ("confirm", {"identity": 2, "tracklets": []}),
        ("forget", {"identity": 3}),
    ]
    for kind, arguments in said:
        correct(site, kind, "ada", arguments)
    return {path: _ask(site, path) for path in ASKED}


def _ask(site: Site, path: str) -> Any:
    with TestClient(create_app(site), "http://localhost") as client:
        answer = client.get(f"{API}/{path}")
    assert answer.status_code == 200, (path, answer.text)
    return _plain(answer.json())


def _plain(value: Any) -> Any:
    """Without the times at which something was said or looked at."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in ("time", "until", "next")}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def test_both_say_the_same(tmp_path: Path, postgresql: Server) -> None:
    sqlite = answers(tmp_path / "sqlite", None)
    other = answers(tmp_path / "postgresql", postgresql.empty())
    for path in ASKED:
        assert other[path] == sqlite[path], path
    assert len(sqlite["identities"]["identities"]) == 2
    assert len(sqlite["corrections"]["corrections"]) == 7


@pytest.mark.parametrize("killed", [True, False])
def test_a_server_that_comes_back_is_read_again(
    tmp_path: Path, postgresql: Server, killed: bool
) -> None:
    site = stored_site.create(tmp_path).model_copy(update={"store": postgresql.empty()})
    stored_site.fill(site, tmp_path)
    with TestClient(create_app(site), "http://localhost") as client:
        if not killed:  # else the viewer is started while it is away
            assert len(client.get(f"{API}/identities").json()["identities"]) == 3
        postgresql.kill()
        answer = client.get(f"{API}/identities/1/visits")
        assert answer.status_code == 503
        assert postgresql.password not in answer.text
        postgresql.start()
        assert client.get(f"{API}/identities/1/visits").status_code == 200
