"""When the pictures of a stream were taken, by the clock of this machine."""

from __future__ import annotations

from collections import deque

WINDOW = 60.0  # seconds over which the least delay is looked for
LONGEST_JUMP = 5.0  # seconds by which time stamps and clock may differ from one picture to the next


class ClockJumpError(Exception):
    """The time stamps of a stream no longer go on where they were."""


class Arrival:
    """Capture time from the stream's time stamps and the times of arrival.

    What is held up on the way arrives late, never early: of the last minute's pictures the one with
    the least delay tells how far the stream's clock is from ours, and the others follow from their
    time stamps. So a clock that runs a little fast is followed too.
    """

    def __init__(self) -> None:
        self._least: deque[tuple[float, float]] = deque()  # arrival, delay; delays grow
        self._former: float | None = None  # delay of the picture before

    def capture(self, stamp: float, arrived: float) -> float:
        """Seconds since the epoch at which a picture was taken.

        Args:
            stamp: of the picture, in seconds by the stream's own clock.
            arrived: seconds since the epoch.

        Raises:
            ClockJumpError: one of the two clocks was set.
        """
        delay = arrived - stamp
        if self._former is not None and abs(delay - self._former) > LONGEST_JUMP:
            raise ClockJumpError
        self._former = delay
        while self._least and self._least[-1][1] >= delay:
            self._least.pop()
        self._least.append((arrived, delay))
        while self._least[0][0] < arrived - WINDOW:
            self._least.popleft()
        return stamp + self._least[0][1]
