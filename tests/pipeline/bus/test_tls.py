"""Redis over TLS, with an authority of one's own and a certificate of the client's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from pipeline.bus import connect
from pipeline.config import RedisTls, Site, load_site
from pipeline.errors import CamtrailError
from tests.pipeline.bus.servers import NAME, Server, need_tls_server
from tests.pipeline.viewer.certificate import write_certificate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Asks each client for a certificate."""
    yield from started(tmp_path, "--user default on >secret ~* &* +@all")


def started(folder: Path, *arguments: str) -> Iterator[Server]:
    write_certificate(folder)
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    files = [f"--tls-cert-file {certificate}", f"--tls-key-file {key}"]
    client = {"ssl_ca_certs": certificate, "ssl_certfile": certificate, "ssl_keyfile": key}
    server = Server(
        folder / "redis",
        *files,
        f"--tls-ca-cert-file {certificate}",
        *arguments,
        binary=need_tls_server(),
        ssl=True,
        **client,
    )
    server.start()
    yield server
    server.kill()


def site_at(folder: Path, url: str, tls: str) -> Site:
    path = folder / "site.yaml"
    path.write_text(
        f"site: yard\nredis: {url}\nredis_tls: {tls}\ncameras: {{gate: {{source: gate.mp4}}}}\n"
    )
    return load_site(path)


def test_its_authority_and_the_clients_certificate(server: Server, tmp_path: Path) -> None:
    url = f"rediss://:secret@{server.address}"
    whole = "{authority: cert.pem, certificate: cert.pem, key: key.pem}"
    assert connect(site_at(tmp_path, url, whole)).ping()
    with pytest.raises(redis.ConnectionError):  # it asks for a certificate
        connect(site_at(tmp_path, url, "{authority: cert.pem}")).ping()
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        connect(site_at(tmp_path, url, "{certificate: cert.pem, key: key.pem}")).ping()
    with pytest.raises(redis.RedisError):  # it speaks TLS only
        connect(site_at(tmp_path, url.replace("rediss", "redis"), "{}")).ping()


def test_a_file_that_is_not_there_and_tls_without_tls(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=r"redis_tls.authority: .*gone.pem: no such file"):
        connect(site_at(tmp_path, "rediss://localhost", "{authority: gone.pem}"))
    with pytest.raises(CamtrailError, match="redis_tls is given, but redis is no rediss://"):
        site_at(tmp_path, "redis://localhost", "{authority: gone.pem}")
    with pytest.raises(CamtrailError, match="certificate and key belong together"):
        site_at(tmp_path, "rediss://localhost", "{certificate: cert.pem}")
    with pytest.raises(CamtrailError, match="allowed here: authority, certificate, key"):
        site_at(tmp_path, "rediss://localhost", "{ca: gone.pem}")


def test_sentinels_and_their_primary_by_tls(tmp_path: Path) -> None:
    for server in started(tmp_path):
        folder = tmp_path / "sentinel"
        folder.mkdir()
        sentinel = server.beside(folder, "--sentinel")
        (folder / "sentinel.conf").write_text(
            f"tls-replication yes\nsentinel monitor {NAME} 127.0.0.1 {server.port} 1\n"
        )
        sentinel.start()
        try:
            url = f"rediss+sentinel://{sentinel.address}/{NAME}"
            tls = "{authority: cert.pem, certificate: cert.pem, key: key.pem}"
            client = connect(site_at(tmp_path, url, tls))
            assert client.set("key", "value")
            assert server.command("GET", "key") == b"value"
        finally:
            sentinel.kill()


def test_the_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    site = site_at(tmp_path, "rediss://localhost", "{authority: tls/ca.pem}")
    assert site.redis_tls == RedisTls(authority=tmp_path / "tls" / "ca.pem")
