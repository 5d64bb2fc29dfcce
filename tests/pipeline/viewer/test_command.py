"""`camtrail viewer` as a user meets it when it cannot begin."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.roles import Role
from pipeline.viewer.command import run
from tests.pipeline.viewer.certificate import write_certificate


def site_of(folder: Path, viewer: str = "{}", user: bool = False) -> Site:
    path = folder / "site.yaml"
    path.write_text(f"site: s\ncameras: {{gate: {{source: gate.mp4}}}}\nviewer: {viewer}\n")
    site = load_site(path)
    if user:
        Access(site.data_dir, 1).users.add("ada", "correct horse battery", Role.ADMINISTRATOR)
    return site


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "example.org"])
def test_without_a_user_it_listens_on_loopback_only(tmp_path: Path, host: str) -> None:
    write_certificate(tmp_path)
    for viewer in ("{}", "{tls: {certificate: cert.pem, key: key.pem}}"):
        with pytest.raises(CamtrailError, match=r"users add .* --role administrator.*ssh -L 8600"):
            run(site_of(tmp_path, viewer), host, None)


def test_behind_a_proxy_loopback_is_reached_by_others_too(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=r"users add .* --role administrator"):
        run(site_of(tmp_path, "{behind_proxy: [127.0.0.1]}"), None, None)


def test_passwords_do_not_travel_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=r"viewer\.tls .*viewer\.behind_proxy"):
        run(site_of(tmp_path, "{host: 0.0.0.0}", user=True), None, None)


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    site = site_of(tmp_path, "{tls: {certificate: cert.pem, key: key.pem}}")
    with pytest.raises(CamtrailError, match=r"viewer\.tls: .*cert\.pem: no such file"):
        run(site, None, 0)
    write_certificate(tmp_path)
    key = (tmp_path / "key.pem").read_bytes()
    write_certificate(tmp_path)
    for wrong in (key, b"", b"\xff" * 100):  # that of another, none, no text
        (tmp_path / "key.pem").write_bytes(wrong)
        with pytest.raises(CamtrailError, match=r"no certificate with its unencrypted key") as e:
            run(site, None, 0)
        assert "PRIVATE" not in str(e.value)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    write_certificate(tmp_path, password=b"secret")
    with pytest.raises(CamtrailError, match="unencrypted key"):
        run(site_of(tmp_path, "{tls: {certificate: cert.pem, key: key.pem}}"), None, 0)


def test_says_that_a_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CamtrailError, match=f"--port {port}: cannot listen on 127.0.0.1"):
            run(site_of(tmp_path), None, port)
