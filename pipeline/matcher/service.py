"""The matcher's process: the bus on one side, the store on the other, the engine between.

What is read is decided on, then written with its decisions in one transaction, then announced
and acknowledged. A crash at any point leaves the store as it was before the batch or after it; what
was not acknowledged comes again and is recognised by its number.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import psutil
import redis
import structlog

from pipeline.bus import (
    Consumer,
    Delivery,
    Keys,
    Lease,
    Request,
    Requests,
    connect,
    forget_messages,
    refused_login,
)
from pipeline.bus.metrics import REDIS_UP
from pipeline.config import MEMORY, Site, redact
from pipeline.disk import refusal
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.keyring import Keyring
from pipeline.matcher.corrections import Corrections
from pipeline.matcher.encoder import EncoderFacts, encoder_facts
from pipeline.matcher.engine import Engine
from pipeline.matcher.exclusive import READY, sole_owner
from pipeline.matcher.expiry import Expiry
from pipeline.matcher.ground import Ground
from pipeline.matcher.housekeeping import Housekeeping
from pipeline.matcher.index import Index
from pipeline.matcher.metrics import ACTIVE, DECIDE_SECONDS, Meter, kind_of
from pipeline.matcher.milvus import Milvus
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.spans import BatchSpans
from pipeline.matcher.threads import keep_to_one_thread
from pipeline.matcher.topology import Topology
from pipeline.store import Batch, Store
from pipeline.store.connection import TROUBLE, StoreAwayError, cause
from pipeline.telemetry import get_logger, traces
from pipeline.telemetry.metrics import HEARTBEAT

BATCH = 256  # messages a transaction, at most
HEALTH_SECONDS = 15  # after which the matcher's hash expires

_BLOCK_MS = 200
_CHORES_SECONDS = 1.0
_BACKOFF = (0.2, 5.0)  # seconds: first and longest wait after an error
_RATE_SECONDS = 10.0
_FORGET_SECONDS = 10.0  # at least, between two times that all messages are gone through

log = get_logger(__name__)


def run_matcher(
    site: Site, stop: threading.Event, until_end: bool = False, standby: bool = False
) -> None:
    """Decides who is who until ``stop`` is set.

    Args:
        until_end: return when all cameras of the site are at their end or lost, and all that can
            be decided is. Cameras of which nothing was heard yet are waited for.
        standby: while another matcher runs, wait, and take over when it ends.

    Raises:
        CamtrailError: another matcher runs; the store, the encoder, Milvus or the URL of Redis
            cannot be used; Redis refuses the password; or the encoder is not that of the store.
    """
    ACTIVE.set(0)
    keep_to_one_thread()
    client = connect(site, name="camtrail-matcher")
    keys = Keys(site.site)
    with ExitStack() as stack:
        stack.callback(client.close)
        ownership = stack.enter_context(sole_owner(site.data_dir, stop, standby))
        if ownership is None:
            return
        lease = Lease(client, keys, former=ownership.token)
        ownership.note(lease.token)
        stack.callback(lease.close)
        if not _acquire(lease, stop, standby):
            return
        store = _open_store(site, stop)
        if store is None:
            return
        stack.enter_context(store)
        store.claim(lease.token)
        index = None
        if site.matcher.gallery != MEMORY:
            index = Milvus(site.matcher.gallery, site.site)
            stack.callback(index.close)
        engine = make_engine(site, store, until_end, index=index)
        Service(site, client, keys, lease, store, engine).run(stop, until_end)


def make_engine(
    site: Site,
    store: Store,
    wait_for_all: bool = False,
    facts: EncoderFacts | None = None,
    index: Index | None = None,
) -> Engine:
    """The engine of a site in the state that its store has.

    Args:
        facts: of the encoder; None reads its file.
        index: of the gallery, empty; None makes one in memory.

    Raises:
        CamtrailError: the encoder cannot be used, or is not that of the store.
    """
    facts = facts or encoder_facts(site, store)
    thresholds = Thresholds.of(site.matcher, facts.accept, facts.new)
    return Engine.restore(
        store.snapshot(),
        site.matcher,
        thresholds,
        tuple(site.cameras),
        Topology(site.topology),
        facts.fingerprint,
        wait_for_all,
        index,
    )


class Service:
    """The loop."""

    def __init__(
        self,
        site: Site,
        client: redis.Redis,
        keys: Keys,
        lease: Lease,
        store: Store,
        engine: Engine,
    ) -> None:
        self._site = site
        self._client = client
        self._keys = keys
        self._lease = lease
        self._store = store
        self._engine = engine
        self._consumer = Consumer(client, keys, f"matcher-{os.getpid()}")
        self._requests = Requests(client, keys)
        self._corrections = Corrections(store, engine)
        self._expiry = Expiry(site.retention, store, engine)
        self._housekeeping = Housekeeping(site, store, client, keys)
        self._meter = Meter(engine)
        self._spans = BatchSpans(site.site)
        self._ground = Ground(engine.topology)
        self._committed = 0  # updates since the start
        self._rates: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._chores_at = -math.inf
        self._foreign = 0
        self._refused = 0  # of the engine's, when messages were last forgotten
        self._forgot_at = -math.inf

    def run(self, stop: threading.Event, until_end: bool = False) -> None:
        """Until ``stop`` is set or, with ``until_end``, until all is decided.

        Raises:
            CamtrailError: another matcher took over.
        """
        backoff = _BACKOFF[0]
        while not stop.is_set():
            try:
                self._open()
                while not stop.is_set():
                    done = self._step(stop)
                    backoff = _BACKOFF[0]
                    if done and until_end:
                        self._chores()
                        return
            except (redis.RedisError, OSError) as error:
                log.warning(refused_login(error) or "Redis is away", error=redact(str(error)))
                REDIS_UP.labels("matcher").set(0)
                stop.wait(backoff)
                backoff = min(2 * backoff, _BACKOFF[1])

    def _open(self) -> None:
        self._consumer.open()
        # Also what a Redis that was restarted may have forgotten.
        self._consumer.announce(self._engine.inbox.watermark.positions())
        REDIS_UP.labels("matcher").set(1)

    def _step(self, stop: threading.Event) -> bool:
        """One batch; whether there was nothing to do and nothing more can come."""
        if self._lease.lost.is_set():
            raise CamtrailError("another matcher has taken over this site")
        deliveries = self._consumer.read(BATCH, _BLOCK_MS) if self._lease.valid else []
        if not self._lease.valid:  # Redis was away; the lease is renewed when it is back
            self._consumer.open()  # what has just been read is left undecided, and comes again
            stop.wait(_BLOCK_MS / 1000)
            return False
        if self._take(deliveries, stop):
            # In this order: a worker takes what is acknowledged and not announced for forgotten.
            self._consumer.announce(self._engine.inbox.watermark.positions())
            self._consumer.ack([delivery.id for delivery in deliveries])
        for request in self._requests.take():
            self._answer(request)
        if time.monotonic() - self._chores_at >= _CHORES_SECONDS:
            self._chores()
        return not deliveries and self._engine.inbox.watermark.all_gone and self._engine.idle

    def _take(self, deliveries: Sequence[Delivery], stop: threading.Event) -> bool:
        """Decides on what was read and commits it; False where ``stop`` came before it could."""
        began = time.time()
        with DECIDE_SECONDS.time():
            batch = self._engine.take(delivery.envelope for delivery in deliveries)
        decided = time.time()
        something = batch.updates or batch.runs or batch.outcome.changed
        if something and not self._commit(batch, stop):
            return False
        if traces.enabled():
            self._spans.committed(batch, began, decided, time.time())
        self._committed += len(batch.updates)
        for verdict in batch.outcome.verdicts:
            log.debug("decided", tracklet=str(verdict.key), kind=kind_of(verdict))
        if self._engine.inbox.foreign and not self._foreign:
            log.warning(
                "updates of another encoder are stored but not decided on; give all workers "
                "the same encoder.path and restart them",
                expected=self._engine.inbox.fingerprint,
            )
        self._foreign = self._engine.inbox.foreign
        return True

    def _answer(self, request: Request) -> None:
        """Does what somebody asks, between two batches."""
        began = time.time()
        with structlog.contextvars.bound_contextvars(request=request.id):
            self._carry_out(request)
        if place := traces.of_request(request.id):
            told = {"kind": request.kind}
            traces.record("carry out", place.within(), began, time.time(), told, parent=place)

    def _carry_out(self, request: Request) -> None:
        try:
            answer = self._corrections.carry_out(request)
        except CamtrailError as error:
            contradiction = isinstance(error, ContradictionError)
            self._requests.refuse(request, str(error), contradiction=contradiction)
            log.info("refused", kind=request.kind, author=request.author)
            self._meter.asked(request.kind, "refused")
            return
        except (OSError, *TROUBLE) as error:
            why = refusal(self._site.data_dir) or cause(error)
            self._requests.refuse(request, f"the store takes nothing: {why}")
            self._meter.asked(request.kind, "failed")
            return
        log.info("done as asked", kind=request.kind, author=request.author)
        self._meter.asked(request.kind, "done")
        if request.kind == "forget":
            self._forget_messages()
        self._requests.answer(request, answer)

    def _commit(self, batch: Batch, stop: threading.Event) -> bool:
        """Tries until it is in the store; False where ``stop`` came before."""
        wait = _BACKOFF[0]
        while True:
            HEARTBEAT.labels("matcher").set_to_current_time()
            began = time.perf_counter()
            try:
                self._store.commit(batch)
            except (OSError, *TROUBLE) as error:
                why = refusal(self._site.data_dir) or cause(error)
                log.error("the store takes nothing; trying again", error=why)
                self._meter.fault()
                with suppress(redis.RedisError, OSError):
                    self._report(f"the store takes nothing: {why}")
                if stop.wait(wait):
                    return False
                wait = min(2 * wait, _BACKOFF[1])
            else:
                self._meter.committed(batch, time.perf_counter() - began)
                return True

    def _chores(self) -> None:
        self._chores_at = time.monotonic()
        HEARTBEAT.labels("matcher").set_to_current_time()
        self._meter.report()
        self._consumer.announce(self._engine.inbox.watermark.positions())
        self._consumer.trim()
        if (
            self._engine.inbox.refused > self._refused
            and time.monotonic() - self._forgot_at > _FORGET_SECONDS
        ):
            self._forget_messages()  # what has come since of somebody who was still in view
        try:
            if self._expiry.step():
                self._forget_messages()
            self._housekeeping.step()
        except (OSError, *TROUBLE) as error:
            log.warning("what is too old cannot be deleted yet", error=cause(error))
        self._report("")

    def _forget_messages(self) -> None:
        self._refused, self._forgot_at = self._engine.inbox.refused, time.monotonic()
        forget_messages(self._site, self._client, self._engine.inbox.watermark.positions())

    def _report(self, message: str) -> None:
        """The matcher's health, for whoever wants to know."""
        watermark, awaited = self._engine.inbox.watermark.now()
        recall = self._engine.gallery.recall
        health: dict[Any, Any] = {
            "pid": os.getpid(),
            "time": time.time(),
            "watermark": watermark,
            "decided_to": self._engine.now,
            "waiting": awaited,
            "identities": len(self._engine.timelines),
            "prototypes": len(self._engine.gallery),
            "recall": "" if math.isnan(recall) else round(recall, 4),
            "memory_mb": round(psutil.Process().memory_info().rss / 2**20),
            "undecided": len(self._engine.hand.undecided),
            "committed": self._committed,
            "rate": round(self._rate(), 1),
            "late": self._engine.inbox.late,
            "foreign": self._engine.inbox.foreign,
            "dead_letters": self._consumer.dead_letters,
            "message": message,
            **self._ground.tell(),
        }
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hset(self._keys.matcher, mapping=health)
            pipeline.expire(self._keys.matcher, HEALTH_SECONDS)
            pipeline.execute()

    def _rate(self) -> float:
        """Updates committed a second, lately."""
        now = time.monotonic()
        self._rates.append((now, self._committed))
        while len(self._rates) > 2 and now - self._rates[0][0] > _RATE_SECONDS:
            self._rates.popleft()
        since, before = self._rates[0]
        return (self._committed - before) / max(now - since, 1e-3)


def _open_store(site: Site, stop: threading.Event) -> Store | None:
    """Waits for the server of the store; None where ``stop`` came before."""
    wait = _BACKOFF[0]
    while not stop.is_set():
        try:
            keyring = Keyring.of(site.encryption)
            return Store.open(
                site.store_url, crops=site.crops_dir, keep=site.crops.keep, keyring=keyring
            )
        except StoreAwayError as error:
            log.warning("the store is away", error=str(error))
            stop.wait(wait)
            wait = min(2 * wait, _BACKOFF[1])
    return None


def _acquire(lease: Lease, stop: threading.Event, standby: bool) -> bool:
    """Waits for Redis, and in standby for the other matcher; False where ``stop`` came before.

    Raises:
        CamtrailError: Redis refuses us from the first, or another matcher runs and we are no
            standby.
    """
    wait, waiting = _BACKOFF[0], False
    while not stop.is_set():
        try:
            if lease.acquire(cancelled=stop.is_set):
                return True
            if not standby and not stop.is_set():
                raise CamtrailError(
                    f"another matcher of this site is running ({lease.holder()}); stop it, or "
                    "start this one with --standby to take over when it ends"
                )
            if not waiting:
                waiting = True
                log.info(READY)
        except (redis.RedisError, OSError) as error:
            said = refused_login(error)
            if said and not waiting:
                raise CamtrailError(said) from None
            log.warning(said or "Redis is away", error=redact(str(error)))
            stop.wait(wait)
            wait = min(2 * wait, _BACKOFF[1])
    return False
