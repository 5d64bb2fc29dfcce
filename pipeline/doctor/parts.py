"""Checks of what the configuration names: weights, Redis, store, cameras."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis

from pipeline.bus import connect
from pipeline.bus.server import find_server
from pipeline.config import DEMO_ENCODER, Site, redact, redact_url
from pipeline.doctor.check import Check, fail, ok, warn
from pipeline.doctor.failover import failover
from pipeline.errors import CamtrailError
from pipeline.notify.receivers import DeliveryError, Receiver, make_receivers
from pipeline.store import Store
from pipeline.store.connection import has_store

MAX_SKEW = 1.0  # seconds between this clock and that of Redis' host
PROBE_SECONDS = 20.0  # beyond a camera's own time-outs: Python and the libraries start
_PROBES = 4  # cameras opened at once


def detector(site: Site) -> Iterator[Check]:
    """Whether the detector's weights load."""
    from pipeline.inference.detector import Detector

    began = time.perf_counter()
    device = Detector(site.detector).device
    took = time.perf_counter() - began
    yield ok("detector", f"{site.detector.weights} on {device}, loaded in {took:.1f} s")


def encoder(site: Site) -> Iterator[Check]:
    """Whether the encoder loads, and whether the store knows embeddings of another one."""
    from pipeline.inference.encoder import EncoderRuntime

    runtime = EncoderRuntime(site.encoder, threads=1)
    detail = f"{site.encoder.path}, {runtime.dimension}-d, {runtime.fingerprint[:12]}"
    stored = _stored_fingerprint(site)
    if stored is not None and stored != runtime.fingerprint:
        yield fail(
            "encoder",
            f"{detail}: the store holds embeddings of another one ({stored[:12]})",
            "go back to that encoder, or begin a new data_dir",
        )
    elif site.encoder.path == DEMO_ENCODER and any(c.live for c in site.cameras.values()):
        yield warn(
            "encoder",
            f"{detail}: the demo encoder knows only simulated people",
            "name an encoder for real footage; `camtrail init` says where one comes from",
        )
    else:
        yield ok("encoder", detail)


def server(site: Site) -> Iterator[Check]:
    """Whether Redis answers, or where it is embedded, whether there is one to start."""
    if site.redis == "embedded":
        yield ok("redis", f"embedded: {find_server()}")
        return
    client = connect(site)
    try:
        information = client.info()
        seconds, micros = client.time()
    except redis.RedisError as error:
        yield fail(
            "redis",
            redact(f"{redact_url(site.redis)}: {error}"),
            "is it running, reachable from here, and are user, password and redis_tls right?",
        )
        return
    finally:
        client.close()
    yield from _judge_server(redact_url(site.redis), information, seconds + micros / 1e6)
    yield from failover(site, information)


def _judge_server(url: str, information: dict[str, object], its_time: float) -> Iterator[Check]:
    version = str(information.get("valkey_version") or information["redis_version"])
    detail = f"{url}: version {version}"
    skew = abs(time.time() - its_time)
    if tuple(int(part) for part in version.split(".")[:2]) < (6, 2):
        yield fail("redis", f"{detail}", "version 6.2 or later is needed")
    elif information.get("maxmemory_policy", "noeviction") != "noeviction":
        yield warn(
            "redis",
            f"{detail}: when full it forgets keys (maxmemory-policy "
            f"{information['maxmemory_policy']})",
            "set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in its "
            "configuration file): the workers then wait, and do not send again and again",
        )
    elif not int(str(information.get("aof_enabled", 1))):
        yield warn(
            "redis",
            f"{detail}: no append-only file",
            "after a restart the workers send again what it forgot; `appendonly yes` spares that",
        )
    elif skew > MAX_SKEW:
        yield warn(
            "redis",
            f"{detail}: its clock and ours are {skew:.1f} s apart",
            "keep the clocks of all hosts in step (NTP): times of cameras are compared",
        )
    else:
        yield ok("redis", detail)


def cameras(site: Site, path: Path) -> list[Check]:
    """Opens each camera for a few frames, several at once, each in a process of its own."""
    with ThreadPoolExecutor(_PROBES) as pool:
        return list(pool.map(lambda name: _camera(site, path, name), site.cameras))


def _camera(site: Site, path: Path, name: str) -> Check:
    camera = site.cameras[name]
    title = f"camera {name}"
    where = redact_url(camera.source)
    limit = camera.open_timeout + camera.read_timeout + PROBE_SECONDS
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "pipeline.doctor.probe", str(path), name],
            capture_output=True,
            text=True,
            timeout=limit,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return fail(title, f"{where}: no frame within {limit:.0f} s", "is it on, and reachable?")
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or [f"exit status {answer.returncode}"]
        return fail(title, redact(lines[-1]))
    seen = json.loads(answer.stdout)
    detail = f"{where}: {seen['width']} x {seen['height']}, {seen['fps']:.3g} frames a second"
    if seen["dark"]:
        return warn(title, f"{detail}: the picture is black", "is the lens covered?")
    return ok(title, detail)


def receivers(site: Site) -> list[Check]:
    """Whether those who are told when somebody is seen can be reached; they are told nothing."""
    return [_receiver(name, receiver) for name, receiver in make_receivers(site).items()]


def _receiver(name: str, receiver: Receiver) -> Check:
    with contextlib.closing(receiver):
        try:
            receiver.reach()
        except DeliveryError as error:
            return fail(name, str(error), "notifications wait for it, but not for ever")
    return ok(name, "can be reached; `camtrail notify test` sends a test message")


def store(site: Site) -> Iterator[Check]:
    """Whether the store can be read."""
    if not has_store(site.store_url):
        yield ok("store", "nothing stored so far")
        return
    with Store.open(site.store_url, read_only=True) as database:
        counts = database.counts()
    yield ok("store", f"{counts.identities} identities, {counts.tracklets} tracklets")


def _stored_fingerprint(site: Site) -> str | None:
    """That of the encoder that made the embeddings in the store, if there are any."""
    with contextlib.suppress(CamtrailError):  # the check of the store says so
        if has_store(site.store_url):
            with Store.open(site.store_url, read_only=True) as database:
                return database.fact("fingerprint")
    return None
