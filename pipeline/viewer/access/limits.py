"""How often somebody may try. Kept in memory: a restart forgives."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_MOST_KEYS = 10_000  # those not heard of for longest are let go


@dataclass
class _Tries:
    count: int
    until: float  # before which no other is allowed
    last: float


class Backoff:
    """Failures cost time: after the first few, twice as long with each. For any number of threads.

    Args:
        free: failures that cost nothing.
        longest: seconds.
        quiet: seconds without a try after which all is forgiven.
    """

    def __init__(self, free: int, longest: float, quiet: float, clock: Callable[[], float]) -> None:
        self._free, self._longest, self._quiet = free, longest, quiet
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[Hashable, _Tries] = OrderedDict()

    def attempt(self, key: Hashable) -> float:
        """Seconds to wait; at 0 it may be tried, and counts as failed until it is forgiven."""
        now = self._clock()
        with self._lock:
            tries = self._tries.pop(key, None)
            if tries is None or now - tries.last > self._quiet:
                tries = _Tries(0, now, now)
            self._tries[key] = tries
            if len(self._tries) > _MOST_KEYS:
                self._tries.popitem(last=False)
            if now < tries.until:
                return tries.until - now
            tries.count += 1
            tries.last = now
            over = min(tries.count - self._free, 30)
            tries.until = now + (min(2.0**over, self._longest) if over >= 0 else 0.0)
            return 0.0

    def forgive(self, key: Hashable) -> None:
        """It went well: all failures before are forgotten."""
        with self._lock:
            self._tries.pop(key, None)

    def take_back(self, key: Hashable) -> None:
        """It went well, which says nothing of the failures before."""
        with self._lock:
            if tries := self._tries.get(key):
                tries.count -= 1
                tries.until = tries.last


class Quota:
    """At most so many within some seconds. For any number of threads."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most, self._seconds = most, seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Seconds to wait; at 0 one is taken."""
        now = self._clock()
        with self._lock:
            taken = self._taken.pop(key, None) or deque()
            self._taken[key] = taken
            if len(self._taken) > _MOST_KEYS:
                self._taken.popitem(last=False)
            while taken and taken[0] <= now - self._seconds:
                taken.popleft()
            if len(taken) >= self._most:
                return taken[0] + self._seconds - now
            taken.append(now)
            return 0.0
