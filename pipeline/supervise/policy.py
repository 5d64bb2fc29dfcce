"""When what has died is started again."""

from __future__ import annotations

import random
from dataclasses import dataclass

USER_ERROR = 2  # the exit status of a `CamtrailError`: trying again soon will not help


@dataclass(slots=True)
class RestartPolicy:
    """Exponential backoff with jitter; what keeps dying is quarantined and tried slowly.

    A death is *fast* when it comes within ``fast`` seconds; ``limit`` of them in a row, or one
    with the status of a user's error, quarantine. A longer life takes it out again.
    """

    base: float = 0.5
    longest: float = 30.0
    fast: float = 20.0
    limit: int = 5
    slow: float = 60.0
    deaths: int = 0
    quarantined: bool = False

    def died(self, lived: float, status: int) -> float:
        """Takes note of a death after ``lived`` seconds; how many seconds to wait now."""
        if lived >= self.fast:
            self.deaths, self.quarantined = 0, False
        self.deaths += 1
        if status == USER_ERROR or self.deaths >= self.limit:
            self.quarantined = True
        doubled = self.base * 2.0 ** min(self.deaths - 1, 20)
        wait = self.slow if self.quarantined else min(doubled, self.longest)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
