"""MQTT, with a real broker."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pipeline.config import Mqtt
from pipeline.notify.message import Message
from pipeline.notify.mqtt import MqttReceiver
from pipeline.notify.receivers import DeliveryError
from tests.pipeline.bus.samples import wait_for

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="no mosquitto (Debian package) on this machine"
)


class Broker:
    """A mosquitto with one user."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        passwords = folder / "passwords"
        made = ["mosquitto_passwd", "-b", "-c", str(passwords), "ada", "open"]
        subprocess.run(made, check=True, capture_output=True)
        passwords.chmod(0o644)
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {passwords}\nuser root\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_for(self._listens, 30)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def options(self, password: str = "open", **more: object) -> Mqtt:
        given = {"host": "127.0.0.1", "port": self.port, "user": "ada", "password": password}
        return Mqtt.model_validate(given | more)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


@contextmanager
def subscribed(broker: Broker) -> Iterator[list[tuple[str, bytes]]]:
    """Somebody else's client, to all topics."""
    got: list[tuple[str, bytes]] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("ada", "open")
    client.on_connect = lambda c, *_: c.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _c, _d, message: got.append((message.topic, message.payload))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert ready.wait(30)
    yield got
    client.disconnect()
    client.loop_stop()


def message(number: int) -> Message:
    return Message(str(number), "person.seen", json.dumps({"id": number}).encode())


def test_messages_arrive_in_order_under_site_and_event(broker: Broker) -> None:
    receiver = MqttReceiver(broker.options(topic="house/cameras"), "shop")
    with subscribed(broker) as got:
        for number in range(20):
            receiver.deliver(message(number))
        assert wait_for(lambda: len(got) == 20, 30)
    receiver.close()
    assert {topic for topic, _ in got} == {"house/cameras/shop/person.seen"}
    assert [json.loads(payload)["id"] for _, payload in got] == list(range(20))


def test_it_goes_on_after_the_broker_was_away(broker: Broker) -> None:
    receiver = MqttReceiver(broker.options(timeout=2), "shop")
    receiver.deliver(message(1))
    broker.stop()
    for _ in range(2):
        with pytest.raises(DeliveryError):
            receiver.deliver(message(2))
    broker.start()
    with subscribed(broker) as got:
        receiver.deliver(message(2))
        assert wait_for(lambda: got, 30)
    receiver.close()
    assert json.loads(got[0][1]) == {"id": 2}


def test_reaching_needs_the_right_password_and_sends_nothing(broker: Broker) -> None:
    with subscribed(broker) as got:
        receiver = MqttReceiver(broker.options(), "shop")
        receiver.reach()
        receiver.close()
        with pytest.raises(DeliveryError, match="refuses: Not authorized") as failure:
            MqttReceiver(broker.options("wrong-password"), "shop").reach()
        assert "wrong-password" not in str(failure.value)
        assert got == []
    broker.stop()
    with pytest.raises(DeliveryError, match="cannot be reached"):
        MqttReceiver(broker.options(), "shop").reach()


def test_who_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = Mqtt(host="127.0.0.1", port=silent.getsockname()[1], timeout=0.3)
        with pytest.raises(DeliveryError, match="does not answer in time"):
            MqttReceiver(options, "shop").deliver(message(1))


def test_an_authority_that_is_missing(tmp_path: Path) -> None:
    options = Mqtt(host="127.0.0.1", tls=True, authority=tmp_path / "none.pem")
    with pytest.raises(DeliveryError, match=r"none.pem: No such file"):
        MqttReceiver(options, "shop").reach()
