"""`camtrail viewer` as a user meets it when it cannot begin."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.viewer.command import run


@pytest.fixture
def site(tmp_path: Path):
    path = tmp_path / "site.yaml"
    path.write_text("site: s\ncameras: {gate: {source: gate.mp4}}\n")
    return load_site(path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "example.org"])
def test_listens_on_loopback_only(site, host: str) -> None:
    with pytest.raises(CamtrailError, match=r"no login yet.*\n?.*ssh -L 8600:127\.0\.0\.1:8600"):
        run(site, host, None)


def test_says_that_a_port_is_taken(site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CamtrailError, match=f"--port {port}: cannot listen on 127.0.0.1"):
            run(site, None, port)
