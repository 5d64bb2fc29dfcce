"""A notification as an MQTT message, with the broker's acknowledgement (QoS 1)."""

from __future__ import annotations

import threading
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pipeline.config import Mqtt
from pipeline.notify.message import Message
from pipeline.notify.receivers import DeliveryError

_KEEP_ALIVE = 30  # seconds
_PORT, _TLS_PORT = 1883, 8883


class MqttReceiver:
    """A broker. The connection stays open between messages; one that breaks is made anew."""

    def __init__(self, options: Mqtt, site: str) -> None:
        self._options = options
        self._topic = f"{options.topic}/{site}"
        self._client: paho.Client | None = None

    def deliver(self, message: Message) -> None:
        """Publishes it to ``TOPIC/SITE/EVENT`` and waits until the broker has it."""
        client = self._connected()
        try:
            sent = client.publish(f"{self._topic}/{message.event}", message.body, qos=1)
            sent.wait_for_publish(self._options.timeout)
            arrived = sent.is_published()
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            raise DeliveryError(f"cannot be told: {error}") from None
        if not arrived:
            self.close()
            raise DeliveryError("does not answer in time")

    def reach(self) -> None:
        """Connects, with user and password; publishes nothing."""
        self._connected()

    def close(self) -> None:
        """Disconnects."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _connected(self) -> paho.Client:
        if self._client is not None and self._client.is_connected():
            return self._client
        self.close()
        answered = threading.Event()
        refused: list[str] = []

        def on_connect(_client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
            if code.is_failure:
                refused.append(str(code))
            answered.set()

        self._client = client = self._made()
        client.on_connect = on_connect
        try:
            client.connect(self._options.host, self._port, _KEEP_ALIVE)
            client.loop_start()
        except (OSError, ValueError) as error:
            self.close()
            raise DeliveryError(f"cannot be reached: {error}") from None
        if not answered.wait(self._options.timeout):
            self.close()
            raise DeliveryError("does not answer in time")
        if refused:
            self.close()
            raise DeliveryError(f"refuses: {refused[0]}")
        return client

    def _made(self) -> paho.Client:
        options = self._options
        client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = options.timeout
        if options.user is not None:
            password = options.password.get_secret_value() if options.password else None
            client.username_pw_set(options.user, password)
        if options.tls:
            try:
                client.tls_set(str(options.authority) if options.authority else None)
            except OSError as error:
                raise DeliveryError(f"{options.authority}: {error.strerror or error}") from None
        return client

    @property
    def _port(self) -> int:
        return self._options.port or (_TLS_PORT if self._options.tls else _PORT)
