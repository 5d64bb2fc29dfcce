"""`camtrail notify test` and `camtrail notify status`."""

from __future__ import annotations

from contextlib import closing

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.notify.message import Message, trial_message
from pipeline.notify.outbox import Outbox
from pipeline.notify.receivers import DeliveryError, Receiver, make_receivers, receiver_options
from pipeline.output import print_json


def run_test(site: Site, *, as_json: bool) -> int:
    """Sends a test message to each receiver and says how that went; 1 where one did not take it.

    Raises:
        CamtrailError: nobody is named in ``site.yaml``.
    """
    receivers = make_receivers(site)
    if not receivers:
        raise CamtrailError("notify: nobody is named; add webhooks or mqtt to site.yaml")
    message = trial_message(site)
    faults: dict[str, str] = {}
    for name, receiver in receivers.items():
        faults[name] = fault = _deliver(receiver, message)
        if not as_json:
            print(f"{name}: {fault or 'has it'}", flush=True)
    if as_json:
        results = [{"receiver": name, "error": fault or None} for name, fault in faults.items()]
        print_json({"ok": not any(faults.values()), "id": message.id, "receivers": results})
    return 1 if any(faults.values()) else 0


def run_status(site: Site, *, as_json: bool) -> None:
    """Says how many notifications wait, were delivered and were given up.

    Raises:
        CamtrailError: nothing was ever to be told.
    """
    with closing(Outbox(site.data_dir)) as outbox:
        tallies = outbox.tally(list(receiver_options(site)))
    if as_json:
        print_json({"receivers": tallies})
        return
    for tally in tallies:
        print(
            f"{tally.receiver}: {tally.waiting} waiting, {tally.delivered} delivered, "
            f"{tally.dropped} given up"
        )


def _deliver(receiver: Receiver, message: Message) -> str:
    """What went wrong; empty where nothing did."""
    with closing(receiver):
        try:
            receiver.deliver(message)
        except DeliveryError as error:
            return str(error)
    return ""
