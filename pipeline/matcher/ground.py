"""What log and health say of clocks that differ and of cameras that were moved."""

from __future__ import annotations

from pipeline.matcher.topology import Topology
from pipeline.telemetry import get_logger

log = get_logger(__name__)


class Ground:
    """Says each thing once, when it is new."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._ahead = dict(topology.clocks.ahead)
        self._beyond: set[str] = set(topology.clocks.beyond())
        self._moved = dict(topology.placement.moved)

    def tell(self) -> dict[str, str]:
        """Logs what changed since this was last asked; what the health says of it."""
        clocks, moved = self._topology.clocks, self._topology.placement.moved
        beyond = clocks.beyond()
        for camera, seconds in clocks.ahead.items():
            if seconds != self._ahead.get(camera):
                log.warning("a camera's clock is put right", camera=camera, ahead=seconds)
        for camera in beyond.keys() - self._beyond:
            log.warning(
                "a camera's clock differs by more than matcher.clock_tolerance; set it by NTP",
                camera=camera,
                ahead=round(beyond[camera], 1),
            )
        for camera, time in moved.items():
            if time != self._moved.get(camera):
                log.warning(
                    "a camera was moved, or turned: what was learned of it is let go; look at its "
                    "masks and at topology in site.yaml",
                    camera=camera,
                    noticed=time,
                )
        self._ahead, self._beyond, self._moved = dict(clocks.ahead), set(beyond), dict(moved)
        return {
            "clocks": _seconds(clocks.ahead),
            "clocks_beyond": _seconds(beyond),
            "moved": ", ".join(f"{camera} {time:.0f}" for camera, time in sorted(moved.items())),
        }


def _seconds(ahead: dict[str, float]) -> str:
    return ", ".join(f"{camera} {seconds:+.2f}" for camera, seconds in sorted(ahead.items()))
