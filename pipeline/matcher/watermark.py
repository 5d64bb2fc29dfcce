"""How far each camera has got, and up to when everything is known.

Event time goes on to the *watermark*: the capture time that every camera which is waited for has
covered. Only the content of the stream moves it, never a clock.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from pipeline.records import CameraState, Envelope, Position, Progress, TrackletKey
from pipeline.store import RunState

_RUNS_KEPT = 16  # of each camera; messages of older ones have all been seen
_GONE = (CameraState.ENDED, CameraState.LOST)


class Watermark:
    """The runs of all cameras.

    Args:
        cameras: those of the site; nobody waits for others.
        max_lateness: seconds that a live camera may lag behind the most advanced one.
        wait_for_all: wait also for cameras of which nothing was heard yet.
        runs: those known from before.
    """

    def __init__(
        self,
        cameras: Collection[str],
        max_lateness: float,
        wait_for_all: bool = False,
        runs: Iterable[RunState] = (),
    ) -> None:
        self._cameras = frozenset(cameras)
        self._max_lateness = max_lateness
        self._wait_for_all = wait_for_all
        self._runs: dict[str, dict[str, RunState]] = {}
        self._changed: dict[tuple[str, str], RunState] = {}
        for run in sorted(runs, key=lambda r: r.run):
            self._add(run)

    def observe(self, envelope: Envelope) -> RunState | None:
        """Takes note of a message.

        Returns:
            Its run as it stands now, or None where the message was seen before.
        """
        run = self._run_of(envelope)
        if run is None or envelope.number <= run.number:
            return None
        self._changed[run.camera, run.run] = run
        run.number = envelope.number
        run.messages += 1
        body = envelope.body
        if not isinstance(body, Progress):
            run.updates += 1
            return run
        covered = self.covered(run.camera)
        run.time = max(run.time, body.time)
        run.state, run.live = body.state, body.live
        run.frames, run.frame, run.dropped = body.frames, body.frame, body.dropped
        if body.state in _GONE:
            run.closed_at = max(body.time, _behind(covered))
        elif run.run == max(self._runs[run.camera]):
            run.closed_at = None
        return run

    def known_at(self, camera: str, end: float) -> float:
        """The event time of something that a camera says now of what went on until ``end``: what
        it has already declared complete cannot have held it.
        """
        return max(end, _behind(self.covered(camera)))

    def covered(self, camera: str) -> float:
        """The capture time up to which a camera has told everything; -inf at first."""
        runs = self._runs.get(camera, {})
        return max((run.time for run in runs.values()), default=-math.inf)

    def closed_at(self, key: TrackletKey) -> float:
        """The event time at which the tracklets of this run ended; inf while it goes on."""
        run = self._runs.get(key.camera, {}).get(key.run)
        return math.inf if run is None or run.closed_at is None else run.closed_at

    def now(self) -> tuple[float, str]:
        """The watermark, and the camera that it waits for (empty: none).

        It is inf when every camera is at its end or lost, -inf while nothing can be said.
        """
        heard = self._cameras if self._wait_for_all else self._cameras & self._runs.keys()
        times = {camera: self.covered(camera) for camera in heard if not self._gone(camera)}
        if not times:
            return (math.inf, "") if self._runs else (-math.inf, "")
        live = {camera for camera in times if self.live(camera)}
        limit = max((times[camera] for camera in live), default=0.0) - self._max_lateness
        awaited = [c for c in times if c not in live or times[c] >= limit]
        slowest = min(awaited, key=lambda camera: (times[camera], camera))
        return times[slowest], slowest

    @property
    def all_gone(self) -> bool:
        """Whether all cameras of the site are at their end or lost."""
        return all(self._gone(camera) for camera in self._cameras)

    def live(self, camera: str) -> bool:
        """Whether the camera runs on the clock, as far as it has said so."""
        run = self._newest(camera)
        return run is not None and run.live

    def live_cameras(self) -> dict[str, float]:
        """Those of the site that run on the clock and are not gone, and what each has covered."""
        return {
            camera: covered
            for camera in self._cameras
            if self.live(camera)
            and not self._gone(camera)
            and math.isfinite(covered := self.covered(camera))
        }

    def positions(self) -> dict[str, Position]:
        """The last message of each camera."""
        return {
            camera: max(run.position for run in runs.values())
            for camera, runs in self._runs.items()
        }

    def take_changed(self) -> list[RunState]:
        """The runs that changed since this was last asked."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def _run_of(self, envelope: Envelope) -> RunState | None:
        runs = self._runs.get(envelope.camera, {})
        if envelope.run in runs:
            return runs[envelope.run]
        if len(runs) >= _RUNS_KEPT and envelope.run < min(runs):
            return None
        run = RunState(envelope.camera, envelope.run)
        self._add(run)
        return run

    def _add(self, run: RunState) -> None:
        """A new run ends the tracklets of those before it."""
        closed_at = _behind(self.covered(run.camera))
        runs = self._runs.setdefault(run.camera, {})
        for other in runs.values():
            if other.run < run.run and other.closed_at is None:
                other.closed_at = closed_at
                self._changed[other.camera, other.run] = other
        runs[run.run] = run
        while len(runs) > _RUNS_KEPT:
            del runs[min(runs)]

    def _newest(self, camera: str) -> RunState | None:
        runs = self._runs.get(camera)
        return runs[max(runs)] if runs else None

    def _gone(self, camera: str) -> bool:
        run = self._newest(camera)
        return run is not None and run.state in _GONE


def _behind(time: float) -> float:
    return math.nextafter(time, math.inf)
