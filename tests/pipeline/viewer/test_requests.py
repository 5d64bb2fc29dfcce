"""Requests are numbered and counted by the pattern of their route, whatever is asked for."""

from __future__ import annotations

import pytest
import structlog

from pipeline.telemetry.metrics import REGISTRY
from tests.pipeline.viewer.conftest import API, Stored


def counted(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("camtrail_viewer_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"{API}/identities/1", f"{API}/identities/{{identity}}", 200),
        ("GET", f"{API}/identities/999999", f"{API}/identities/{{identity}}", 404),
        ("GET", "/static/style.css", "/static", 200),
        ("GET", "/somebody/by/name", "other", 404),
        ("BREW", "/somebody/by/name", "other", 404),
    ],
)
def test_a_route_is_its_pattern(
    stored: Stored, method: str, path: str, route: str, status: int
) -> None:
    label = method if method == "GET" else "other"
    before = counted(label, route, str(status))
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        answer = stored.client.request(method, path)
    assert answer.status_code == status
    assert counted(label, route, str(status)) == before + 1
    (line,) = (line for line in lines if line["event"] == "answered")
    assert line["request"] == answer.headers["X-Request-Id"]
    assert (line["method"], line["route"], line["status"]) == (label, route, status)
    assert line["log_level"] == "debug"


def test_what_is_refused_at_the_door_is_counted_too(stored: Stored) -> None:
    before = counted("GET", "other", "403")
    answer = stored.client.get(f"{API}/cameras", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert answer.headers["X-Request-Id"]
    assert counted("GET", "other", "403") == before + 1


def test_nobody_chooses_an_identifier(stored: Stored) -> None:
    answer = stored.client.get(f"{API}/cameras", headers={"X-Request-Id": "mine"})
    assert answer.headers["X-Request-Id"] != "mine"
    again = stored.client.get(f"{API}/cameras")
    assert again.headers["X-Request-Id"] != answer.headers["X-Request-Id"]
