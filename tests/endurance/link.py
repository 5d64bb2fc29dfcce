"""Two hosts in network namespaces, and the link between them: cut, slow, or lossy.

The link is a pair of TUN devices, between which a program passes each IP packet on, later or not at
all, as a bad network does; so it needs no kernel with ``tc netem``, only root on Linux with
``/dev/net/tun`` and iproute2.

``python -m tests.endurance.link NAME_A NAME_B`` is that program. It reads ``SECONDS LOSS`` a line
from its standard input: delay of one way, and the share of packets that get lost (1: all).
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_DEVICE = "link0"
_MOST_WAITING = 20_000  # packets under way; more are lost, as in a full queue
SIDES = {"a": "10.231.77.1", "b": "10.231.77.2"}


def why_not() -> str:
    """Why this machine cannot have it; empty if it can."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return "network namespaces need root and /dev/net/tun"
    name = f"camtrail-try-{os.getpid()}"
    try:
        done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)
    except OSError:
        return "network namespaces need iproute2"
    return done.stderr.strip()


class Link:
    """Namespaces ``a`` and ``b`` with an address each (`SIDES`), and the link between them."""

    def __init__(self) -> None:
        self._names = {side: f"camtrail-{os.getpid()}-{side}" for side in SIDES}
        for name in self._names.values():
            _ip("netns", "add", name)
        command = [sys.executable, "-m", "tests.endurance.link", *self._names.values()]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        for side, address in SIDES.items():
            inside = self.inside(side)
            subprocess.run([*inside, "ip", "address", "add", f"{address}/24", "dev", _DEVICE])
            for device in (_DEVICE, "lo"):
                subprocess.run([*inside, "ip", "link", "set", device, "up"], check=True)
        self.set(0.0, 0.0)

    def inside(self, side: str) -> list[str]:
        """What goes before a command that is to run on that host."""
        return ["ip", "netns", "exec", self._names[side]]

    def set(self, delay: float, loss: float) -> None:
        """Delay of one way in seconds; share of packets lost, 1 cuts the link."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{delay} {loss}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for name in self._names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False)


def inside_namespace(name: str, work: Callable[[], int]) -> int:
    """What ``work`` gives in a network namespace; then we are back in ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(other, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
        return work()
    finally:
        libc.setns(own, _CLONE_NEWNET)
        os.close(own)
        os.close(other)


def _open_device() -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH14x", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(descriptor, _TUNSETIFF, request)
    return descriptor


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _pass_on(a: int, b: int) -> None:
    """Until the standard input is closed."""
    rng, delay, loss = random.Random(1), 0.0, 0.0
    waiting: list[tuple[float, int, int, bytes]] = []
    serial = 0
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, target, packet = heapq.heappop(waiting)
            _send(target, packet)
        patience = max(0.0, waiting[0][0] - now) if waiting else 1.0
        for source in select.select([a, b, sys.stdin], [], [], patience)[0]:
            if source is sys.stdin:
                line = sys.stdin.readline()
                if not line:
                    return
                delay, loss = map(float, line.split())
                continue
            packet = os.read(source, 2**16)
            if rng.random() >= loss and len(waiting) < _MOST_WAITING:
                serial += 1
                due = time.monotonic() + delay
                heapq.heappush(waiting, (due, serial, b if source == a else a, packet))


def _send(target: int, packet: bytes) -> None:
    try:
        os.write(target, packet)
    except OSError:  # a full queue, or a device that is down: lost
        return


def main() -> None:
    first, second = (inside_namespace(name, _open_device) for name in sys.argv[1:])
    print("ready", flush=True)
    _pass_on(first, second)


if __name__ == "__main__":
    main()
