"""The notifier's process: one thread reads the store, one for each receiver delivers."""

from __future__ import annotations

import fcntl
import math
import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from sqlalchemy.exc import DBAPIError

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.notify.expiry import Expiry
from pipeline.notify.follow import Follower, begin
from pipeline.notify.message import message_of
from pipeline.notify.metrics import FAILED, Counted
from pipeline.notify.outbox import Outbox, Waiting
from pipeline.notify.receivers import DeliveryError, Receiver, make_receivers
from pipeline.notify.sightings import Sightings
from pipeline.telemetry import get_logger
from pipeline.telemetry.metrics import HEARTBEAT

_READ_SECONDS = 0.5
_LOOK_SECONDS = 0.2  # how often a receiver's queue is looked at
_BACKOFF = (1.0, 60.0)  # seconds: first and longest wait after an error
_LAST_SECONDS = 5.0  # in which all is tried once more before it stops

_FAULTS = (CamtrailError, DBAPIError, sqlite3.Error)  # store or outbox cannot be used

log = get_logger(__name__)


def run_notifier(site: Site, stop: threading.Event) -> None:
    """Tells all receivers until ``stop`` is set; what is committed by then is tried once more.

    Raises:
        CamtrailError: there is nobody to tell, another notifier runs, or the outbox cannot be
            used.
    """
    receivers = make_receivers(site)
    if not receivers:
        raise CamtrailError("notify: nobody is named; add webhooks or mqtt to site.yaml")
    begin(site)
    with ExitStack() as stack:
        stack.enter_context(_only_one(site))
        outbox = stack.enter_context(closing(Outbox(site.data_dir)))
        outbox.keep_receivers(list(receivers))
        sightings = stack.enter_context(closing(Sightings(site)))
        follower = Follower(site, sightings, outbox)
        last = threading.Event()  # set when nothing more is put into the outbox
        senders = [
            Sender(site, name, receiver, outbox, follower, last)
            for name, receiver in receivers.items()
        ]
        threads = [
            threading.Thread(target=sender.run, name=sender.name, daemon=True) for sender in senders
        ]
        for thread in threads:
            thread.start()
        print(f"tells {', '.join(receivers)}", flush=True)
        expiry = Expiry(site.retention.notifications_days, outbox)
        _follow(follower, outbox, list(receivers), stop, threads, expiry)
        last.set()
        for thread in threads:
            thread.join()


def _follow(
    follower: Follower,
    outbox: Outbox,
    receivers: Sequence[str],
    stop: threading.Event,
    threads: list[threading.Thread],
    expiry: Expiry,
) -> None:
    fault, counted = "", Counted(outbox, receivers)
    while True:
        HEARTBEAT.labels("notifier").set_to_current_time()
        stopping = stop.is_set()  # before the last step, so that nothing is left out
        more = False
        try:
            more = follower.step(time.time())
            counted.look()
            expiry.step()
            fault = ""
        except _FAULTS as error:
            if str(error) != fault:
                fault = str(error)
                log.warning("cannot read on", error=fault.splitlines()[0])
        if stopping and not more:
            return
        if not all(thread.is_alive() for thread in threads):
            raise CamtrailError("a receiver's thread has died; the lines above say why")
        if not more:
            stop.wait(_READ_SECONDS)


class Sender:
    """Tells one receiver, in order, each thing until it is taken or given up."""

    def __init__(
        self,
        site: Site,
        name: str,
        receiver: Receiver,
        outbox: Outbox,
        follower: Follower,
        last: threading.Event,
    ) -> None:
        self.name = name
        self._site = site
        self._receiver = receiver
        self._outbox = outbox
        self._follower = follower
        self._last = last
        self._fault = ""

    def run(self) -> None:
        """Until all is told after ``last`` was set, or one attempt failed then, or it took long."""
        backoff = _BACKOFF[0]
        end = math.inf
        with closing(self._receiver):
            while time.monotonic() < end:
                if last := self._last.is_set():
                    end = min(end, time.monotonic() + _LAST_SECONDS)
                try:
                    idle = not self._tell_next()
                except (DeliveryError, *_FAULTS) as error:
                    self._failed(error)
                    idle, wait = True, backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                    backoff = min(2 * backoff, _BACKOFF[1])
                else:
                    wait, backoff = _LOOK_SECONDS, _BACKOFF[0]
                if idle and last:
                    return
                if idle:
                    self._last.wait(wait)

    def _tell_next(self) -> bool:
        """Whether there was anything."""
        waiting = self._outbox.first(self.name)
        if waiting is None:
            return False
        if self._fault and self._too_old(waiting):  # what waited while we did not run is tried
            self._outbox.give_up(self.name, waiting.note)
            log.warning("given up", receiver=self.name, occasion=waiting.note.occasion)
            return True
        sighting = self._follower.review(waiting.note)
        if sighting is None:  # forgotten, or somebody else by now
            return True
        self._receiver.deliver(message_of(self._site, waiting.note, sighting))
        self._outbox.delivered(self.name, waiting.note)
        if self._fault:
            log.info("takes notifications again", receiver=self.name)
            self._fault = ""
        return True

    def _too_old(self, waiting: Waiting) -> bool:
        return time.time() - waiting.since > self._site.notify.give_up_after

    def _failed(self, error: Exception) -> None:
        FAILED.labels(self.name).inc()
        fault = str(error).partition("\n")[0]
        if fault != self._fault:
            log.warning("cannot tell", receiver=self.name, error=fault)
        self._fault = fault


@contextmanager
def _only_one(site: Site) -> Iterator[None]:
    """Two would tell everything twice."""
    with (site.data_dir / "notify.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CamtrailError(
                f"{site.data_dir}: another notifier works on it; stop that one first"
            ) from None
        yield
