"""How the cameras are, from what their workers say in Redis."""

from __future__ import annotations

import threading
import time

import redis

from pipeline.bus import Keys, connect
from pipeline.bus.metrics import REDIS_UP
from pipeline.config import Site, redact
from pipeline.errors import CamtrailError
from pipeline.viewer import models
from pipeline.viewer.records import Records

_KEPT_SECONDS = 1.0

Hash = dict[str, str]


class HealthReader:
    """Asks Redis at most once a second, however many watch. For any number of threads."""

    def __init__(self, site: Site, records: Records) -> None:
        self._site = site
        self._records = records
        self._keys = Keys(site.site)
        self._client = connect(site, name="camtrail-viewer")
        self._lock = threading.Lock()
        self._read_at = -_KEPT_SECONDS
        self._known = models.Cameras(site=site.site, cameras=[], redis="", matcher=False, store="")

    def cameras(self) -> models.Cameras:
        """How they are now, or were less than a second ago."""
        with self._lock:
            if time.monotonic() - self._read_at >= _KEPT_SECONDS:
                self._known = self._read()
                self._read_at = time.monotonic()
            return self._known

    def close(self) -> None:
        """Lets go of Redis."""
        self._client.close()

    def _read(self) -> models.Cameras:
        names = list(self._site.cameras)
        try:
            *workers, matcher = self._hashes([*map(self._keys.health, names), self._keys.matcher])
            fault = ""
        except (redis.RedisError, OSError) as error:
            workers, matcher, fault = [{} for _ in names], {}, _in_words(error)
        REDIS_UP.labels("viewer").set(not fault)
        return models.Cameras(
            site=self._site.site,
            cameras=[
                models.Camera(
                    camera=name,
                    live=self._site.cameras[name].live,
                    health=_health(found) if found else None,
                )
                for name, found in zip(names, workers, strict=True)
            ],
            redis=fault,
            matcher=bool(matcher),
            store=self._store_fault(),
        )

    def _hashes(self, keys: list[str]) -> list[Hash]:
        with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hgetall(key)
            return [
                {name.decode(): value.decode(errors="replace") for name, value in answer.items()}
                for answer in pipeline.execute()
            ]

    def _store_fault(self) -> str:
        try:
            self._records.view()
        except CamtrailError as error:
            return str(error)
        return ""


def _health(found: Hash) -> models.Health:
    return models.Health(
        state=found.get("state", ""),
        fps=float(found.get("fps", 0)),
        delay=float(found.get("delay", 0)),
        tracks=int(found.get("tracks", 0)),
        frames=int(found.get("frames", 0)),
        reconnects=int(found.get("reconnects", 0)),
        spooled=int(found.get("spool", 0)),
        message=redact(found.get("message", "")),
    )


def _in_words(error: Exception) -> str:
    return f"Redis is away ({type(error).__name__})"
