"""Webhooks, told by a real server."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.config import Webhook, load_site
from pipeline.errors import CamtrailError
from pipeline.notify.message import Message, message_of
from pipeline.notify.outbox import Note
from pipeline.notify.receivers import DeliveryError
from pipeline.notify.sightings import Sighting
from pipeline.notify.webhook import WebhookReceiver
from pipeline.records import TrackletKey
from tests.pipeline.notify.places import SECRET, hook, write_site

MESSAGE = Message("01JABC", "person.seen", b'{"name": "J\xc3\xb6rg"}')


def receiver(url: str, timeout: float = 10.0) -> WebhookReceiver:
    return WebhookReceiver(Webhook(url=url, secret=SECRET, timeout=timeout))


def test_it_is_signed_as_the_readme_says() -> None:
    with hook() as server:
        receiver(server.url).deliver(MESSAGE)
    ((headers, body),) = server.posts
    assert body == MESSAGE.body
    assert headers["Camtrail-Id"] == "01JABC"
    assert headers["Camtrail-Event"] == "person.seen"
    timestamp = headers["Camtrail-Timestamp"]
    assert abs(time.time() - int(timestamp)) < 60
    signed = timestamp.encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["Camtrail-Signature"] == f"sha256={expected}"
    assert SECRET not in str(headers)


@pytest.mark.parametrize("status", [300, 301, 307, 404, 500])
def test_any_other_status_is_a_failure(status: int) -> None:
    with hook() as server:
        server.answers = [status]
        with pytest.raises(DeliveryError, match=f"status {status}"):
            receiver(server.url).deliver(MESSAGE)
    assert server.posts == []


def test_no_redirect_is_followed() -> None:
    with hook() as elsewhere, hook() as server:
        server.answers, server.location = [307], elsewhere.url
        with pytest.raises(DeliveryError, match="307"):
            receiver(server.url).deliver(MESSAGE)
    assert elsewhere.posts == []


@contextmanager
def bad_server(dripped: bytes) -> Iterator[int]:
    """A port where each answer comes a byte every 50 ms, again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closing = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while not closing.wait(0.05):
                    for byte in dripped:
                        if closing.wait(0.05):
                            return
                        try:
                            connection.send(bytes([byte]))
                        except OSError:
                            return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        closing.set()
        thread.join()


@pytest.mark.parametrize("dripped", [b"", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 99999])
def test_who_answers_too_slowly_is_cut_off(dripped: bytes) -> None:
    with bad_server(dripped) as port:
        began = time.monotonic()
        with pytest.raises(DeliveryError):
            receiver(f"http://127.0.0.1:{port}/", timeout=0.5).deliver(MESSAGE)
        assert time.monotonic() - began < 8  # the machine may be busy


def test_a_long_answer_is_not_read() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(body)
                connection.recv(65536)

        threading.Thread(target=serve, daemon=True).start()
        receiver(f"http://127.0.0.1:{listening.getsockname()[1]}/").deliver(MESSAGE)


def test_what_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(DeliveryError, match="no answer that is HTTP"):
            receiver(f"http://127.0.0.1:{listening.getsockname()[1]}/").deliver(MESSAGE)


def test_reaching_sends_nothing_and_says_why_not() -> None:
    with hook() as server:
        receiver(server.url).reach()
        assert server.posts == []
    with pytest.raises(DeliveryError, match=r"cannot be reached: .*refused") as failure:
        receiver("http://127.0.0.1:9/services/PATHKEY").reach()
    assert "PATHKEY" not in str(failure.value)


def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, pytest.raises(OSError):  # noqa: PT011 - the client goes away
                context.wrap_socket(connection, server_side=True)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            receiver(f"https://localhost:{listening.getsockname()[1]}/").deliver(MESSAGE)


def test_what_it_says(tmp_path: Path) -> None:
    path = write_site(tmp_path, {"viewer_url": "https://cameras.example/"})
    note = Note(1, "01JABC", "person.seen_again", 17, TrackletKey("gate", "R", 4), 1767600002.1, 63)
    sighting = Sighting(note.key, note.start, note.start + 5, 17, "Jörg", None)
    message = message_of(load_site(path), note, sighting)
    assert (message.id, message.event) == ("01JABC", "person.seen_again")
    assert json.loads(message.body) == {
        "id": "01JABC",
        "event": "person.seen_again",
        "site": "shop",
        "identity": 17,
        "name": "Jörg",
        "camera": "gate",
        "time": "2026-01-05T08:00:02.100Z",
        "unseen_seconds": 63,
        "watched": None,
        "link": "https://cameras.example/identities/17",
    }


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("ftp://h/SECRETPATH", SECRET, "url: expected http"),
        ("http:///SECRETPATH", SECRET, "url: expected http"),
        ("file:///SECRETPATH", SECRET, "url: expected http"),
        ("https://u:SECRETPATH@h/", SECRET, "url: no user"),
        ("https://h/SECRETPATH\r\nX: y", SECRET, "url: write other"),
        ("https://h/SECRETPATH ä", SECRET, "url: write other"),
        ("https://h/", "SECRETPATH"[:7], "secret: Value should have at least 16"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, url: str, secret: str, said: str) -> None:
    path = write_site(tmp_path, {"webhooks": {"guard": {"url": url, "secret": secret}}})
    with pytest.raises(CamtrailError, match=f"notify.webhooks.guard.{said}") as failure:
        load_site(path)
    assert "SECRET" not in str(failure.value)
