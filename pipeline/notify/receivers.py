"""Those who are told, by name."""

from __future__ import annotations

from typing import Protocol

from pipeline.config import Mqtt, Site, Webhook
from pipeline.notify.message import Message


class DeliveryError(Exception):
    """The receiver did not take it, or cannot be reached; the text holds no secret."""


class Receiver(Protocol):
    """One that is told. One thread at a time."""

    def deliver(self, message: Message) -> None:
        """Returns when the receiver has it. Raises `DeliveryError`."""

    def reach(self) -> None:
        """Finds out whether it is there, without telling it anything. Raises `DeliveryError`."""

    def close(self) -> None:
        """Lets go of it."""


def receiver_options(site: Site) -> dict[str, Webhook | Mqtt]:
    """The settings of each receiver by its name in queues and logs."""
    found: dict[str, Webhook | Mqtt] = {
        f"webhook {name}": options for name, options in site.notify.webhooks.items()
    }
    if site.notify.mqtt is not None:
        found["mqtt"] = site.notify.mqtt
    return found


def make_receivers(site: Site) -> dict[str, Receiver]:
    """Nothing is connected yet."""
    from pipeline.notify.mqtt import MqttReceiver
    from pipeline.notify.webhook import WebhookReceiver

    return {
        name: WebhookReceiver(options)
        if isinstance(options, Webhook)
        else MqttReceiver(options, site.site)
        for name, options in receiver_options(site).items()
    }
