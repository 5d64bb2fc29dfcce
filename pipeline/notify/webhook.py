"""A notification as an HTTP request.

Each attempt is a connection of its own. No redirect is followed, of the answer only the status is
read, and whoever answers too slowly, be it byte by byte, is cut off.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

from pipeline.config import Webhook
from pipeline.notify.message import Message, sign
from pipeline.notify.receivers import DeliveryError

_OTHER_SIDE = (OSError, http.client.HTTPException)  # what a connection raises


class WebhookReceiver:
    """Somebody's HTTP server."""

    def __init__(self, options: Webhook) -> None:
        self._options = options
        self._url = urlsplit(options.url)

    def deliver(self, message: Message) -> None:
        """Posts it; only a status of 200 to 299 says that it has arrived."""
        timestamp = int(time.time())
        secret = self._options.secret.get_secret_value()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "camtrail",
            "Camtrail-Id": message.id,
            "Camtrail-Event": message.event,
            "Camtrail-Timestamp": str(timestamp),
            "Camtrail-Signature": sign(secret, timestamp, message.body),
            "Connection": "close",
        }
        target = self._url.path or "/"
        if self._url.query:
            target += f"?{self._url.query}"
        with self._connected() as connection:
            connection.request("POST", target, message.body, headers)
            status = connection.getresponse().status
        if not 200 <= status < 300:
            raise DeliveryError(f"answers with status {status} ({_phrase(status)})")

    def reach(self) -> None:
        """Connects, with TLS where it is https; sends no request."""
        with self._connected():
            pass

    def close(self) -> None:
        """Nothing stays open."""

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        try:
            with closing(self._connection()) as connection:
                connection.connect()
                with _cut_off(connection.sock, self._options.timeout):
                    yield connection
        except _OTHER_SIDE as error:
            raise DeliveryError(_in_words(error)) from None

    def _connection(self) -> http.client.HTTPConnection:
        host, port, seconds = self._url.hostname or "", self._url.port, self._options.timeout
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        return http.client.HTTPConnection(host, port, timeout=seconds)


@contextmanager
def _cut_off(connection: socket.socket, seconds: float) -> Iterator[None]:
    """A time-out for all together; the socket's own is for each read."""

    def cut() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _phrase(status: int) -> str:
    return http.client.responses.get(status, "unknown")


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    if isinstance(error, http.client.HTTPException):
        return f"gives no answer that is HTTP ({type(error).__name__})"
    return f"cannot be reached: {error}"
