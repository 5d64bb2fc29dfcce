"""What can go wrong. Each fault lasts as long as it says and is mended by itself; it gives the
moment (monotonic) from which on everything could work again.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.endurance.world import FAKETIME, World
from tests.pipeline.bus.samples import wait_for

LASTS = 5.0  # seconds, where it is no death
_SHIFT = 30.0
_MEMORY = 2**20  # bytes; all have more already
_REDIS_SECONDS = 60.0

Inflict = Callable[[World, str], float]


@dataclass(frozen=True)
class Fault:
    """``local``: of one camera; the others should not notice."""

    name: str
    inflict: Inflict
    local: bool = False


def all_of(world: World) -> list[Fault]:
    """Those that this machine lets us try."""
    faults = [
        *(Fault(f"{name} killed", _killed(name)) for name in ("matcher", "standby", "inference")),
        *(Fault(f"{name} hung", _hung(name)) for name in ("matcher", "inference")),
        *(Fault(f"{n} without memory", _no_memory(n)) for n in ("matcher", "inference")),
        Fault("viewer killed", _killed("viewer")),
        Fault("all killed with the supervisor", _everything_killed),
        Fault("Redis killed, failed over", _redis_killed),
        Fault("Redis failed over, its last writes lost", _redis_forgetful),
        Fault("Redis hung, failed over", _redis_hung),
        Fault("Redis full", _redis_full),
        Fault("a Sentinel killed", _sentinel_killed),
        Fault("worker killed", _killed(""), local=True),
        Fault("worker hung", _hung(""), local=True),
        Fault("worker without memory", _no_memory(""), local=True),
        Fault("camera cut", _camera_cut, local=True),
        Fault("camera gone", _camera_gone, local=True),
        Fault("camera of another size", _changed("small"), local=True),
        Fault("camera of another codec", _changed("h265"), local=True),
        *(
            Fault(f"camera's packets: {mode}", _spoilt(mode), local=True)
            for mode in ("stall", "drop", "corrupt", "garbage")
        ),
    ]
    if world.disk.there:
        faults.append(Fault("disk full", _disk_full))
    if world.disk.turns:
        faults.append(Fault("disk read-only", _disk_read_only))
    if FAKETIME is not None:
        faults.append(Fault(f"clock {_SHIFT:.0f} s ahead", _clock(_SHIFT)))
        faults.append(Fault(f"clock {_SHIFT:.0f} s back", _clock(-_SHIFT)))
    return faults


def _killed(process: str) -> Inflict:
    def inflict(world: World, camera: str) -> float:
        os.kill(world.pid(process or camera), signal.SIGKILL)
        return time.monotonic()

    return inflict


def _hung(process: str) -> Inflict:
    def inflict(world: World, camera: str) -> float:
        pid = world.pid(process or camera)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(LASTS)
        with suppress(ProcessLookupError):  # the supervisor may have lost patience
            os.kill(pid, signal.SIGCONT)
        return time.monotonic()

    return inflict


def _everything_killed(world: World, camera: str) -> float:
    os.kill(world.pid("supervisor"), signal.SIGKILL)
    died = time.monotonic()
    world.start_again()
    return died


def _redis_killed(world: World, camera: str) -> float:
    died = time.monotonic()
    _restore(world, world.redis.fail_over())
    return died


def _redis_forgetful(world: World, camera: str) -> float:
    world.redis.pause_replication()
    time.sleep(world.rng.uniform(1.0, 3.0))  # what is acknowledged now is lost
    return _redis_killed(world, camera)


def _redis_hung(world: World, camera: str) -> float:
    primary = world.redis.primary()
    primary.signal(signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(LASTS)
    primary.signal(signal.SIGCONT)
    assert wait_for(world.redis.whole, _REDIS_SECONDS)
    return began


def _redis_full(world: World, camera: str) -> float:
    primary = world.redis.primary()
    primary.command("CONFIG", "SET", "maxmemory", "1mb")
    time.sleep(LASTS)
    primary.command("CONFIG", "SET", "maxmemory", "0")
    return time.monotonic()


def _sentinel_killed(world: World, camera: str) -> float:
    sentinel = world.rng.choice(world.redis.sentinels)
    sentinel.kill()
    began = time.monotonic()
    time.sleep(LASTS)
    sentinel.start()
    assert wait_for(world.redis.whole, _REDIS_SECONDS)
    return began


def _restore(world: World, dead: object) -> None:
    dead.start()  # type: ignore[attr-defined]
    assert wait_for(world.redis.whole, _REDIS_SECONDS)


def _no_memory(process: str) -> Inflict:
    """The kernel gives it nothing more, as where a limit is reached; some do not survive that."""

    def inflict(world: World, camera: str) -> float:
        victim = psutil.Process(world.pid(process or camera))
        forever = resource.RLIM_INFINITY
        with suppress(psutil.NoSuchProcess):
            victim.rlimit(psutil.RLIMIT_AS, (_MEMORY, forever))
            time.sleep(LASTS)
            victim.rlimit(psutil.RLIMIT_AS, (forever, forever))
        return time.monotonic()

    return inflict


def _camera_cut(world: World, camera: str) -> float:
    world.cameras[camera].relay.cut()
    return time.monotonic()


def _camera_gone(world: World, camera: str) -> float:
    world.cameras[camera].server.kill()
    time.sleep(LASTS)
    world.cameras[camera].server.start()
    return time.monotonic()


def _changed(film: str) -> Inflict:
    def inflict(world: World, camera: str) -> float:
        world.cameras[camera].change(film)
        began = time.monotonic()
        time.sleep(2 * LASTS)
        world.cameras[camera].change("usual")
        return began

    return inflict


def _spoilt(mode: str) -> Inflict:
    def inflict(world: World, camera: str) -> float:
        with world.cameras[camera].relay.spoilt(mode):
            time.sleep(LASTS)
        return time.monotonic()

    return inflict


def _disk_full(world: World, camera: str) -> float:
    with world.disk.full():
        time.sleep(LASTS)
    return time.monotonic()


def _disk_read_only(world: World, camera: str) -> float:
    with world.disk.read_only():
        time.sleep(2 * LASTS)
    return time.monotonic()


def _clock(shift: float) -> Inflict:
    def inflict(world: World, camera: str) -> float:
        world.set_clock(world.shift + shift)
        began = time.monotonic()
        # Until all have seen it; cameras whose clock was put back go at half their pace until then.
        time.sleep(2.0 + 2 * max(0.0, -shift))
        return began

    return inflict
