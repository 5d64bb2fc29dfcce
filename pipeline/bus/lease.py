"""One matcher a site."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from pipeline.bus.keys import Keys

LEASE_SECONDS = 3.0

_RENEW_SECONDS = 0.5
# One script each, so that nobody else can take the lease between the look and the act.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Lease:
    """The right to be the site's matcher; renewed by a thread until `close`.

    ``lost`` is set when somebody else holds it: stop at once. While Redis is away nobody can take
    it, so it is kept then; but it is `valid` only while it was renewed lately, and nothing should
    be decided without.

    Args:
        former: the ``token`` of a matcher that is dead beyond doubt; its lease is not waited for.

    Attributes:
        token: by which this one is known; no other has the same.
    """

    def __init__(self, client: redis.Redis, keys: Keys, former: str = "") -> None:
        self.lost = threading.Event()
        self.token = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(8)}"
        self._client = client
        self._key = keys.lease
        self._former = former
        self._renewed = -LEASE_SECONDS
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(
        self,
        wait: float = LEASE_SECONDS + 1.0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether we got it within ``wait`` seconds. The default outlives a matcher that was
        killed and never let go; whoever holds it longer is alive (see `holder`).

        Raises:
            redis.RedisError: Redis is away.
        """
        deadline = time.monotonic() + wait
        while not self._renew():
            if cancelled() or time.monotonic() >= deadline:
                return False
            self._closing.wait(0.1)
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()
        return True

    def holder(self) -> str:
        """``HOST/PID`` of who holds it, or empty."""
        token: Any = self._client.get(self._key)
        return token.decode(errors="replace").rpartition("/")[0] if token else ""

    @property
    def valid(self) -> bool:
        """Whether it is ours beyond doubt at this moment."""
        fresh = time.monotonic() - self._renewed < LEASE_SECONDS
        return fresh and not self.lost.is_set()

    def close(self) -> None:
        """Lets go of it."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            with contextlib.suppress(redis.RedisError):  # then it expires by itself
                self._client.eval(_RELEASE, 1, self._key, self.token)

    def _renew(self) -> bool:
        asked = time.monotonic()
        milliseconds = int(1000 * LEASE_SECONDS)
        arguments = self.token, milliseconds, self._former
        if not self._client.eval(_RENEW, 1, self._key, *arguments):
            return False
        self._renewed = asked
        return True

    def _keep(self) -> None:
        while not self._closing.wait(_RENEW_SECONDS):
            try:
                if not self._renew():
                    self.lost.set()
                    return
            except redis.RedisError:
                continue  # away: asked again when it is back
