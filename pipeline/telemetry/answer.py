"""A process answers with its metrics: whoever connects to its socket is sent them.

The socket is ``data_dir/metrics/NAME.sock``, in a folder that only its owner may look into. A
process that ends removes it; of one that was killed it stays and refuses, which says that something
is missing. A lock says whether somebody has a name, so that the next one can take it over. Whoever
has done all that there was to do leaves its last answer as ``NAME.last``, so that what it counted
stays; it goes when somebody takes the name again, and with `clear`.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline import local
from pipeline.telemetry.logs import get_logger
from pipeline.telemetry.metrics import exposition

SUFFIX = ".sock"
LAST = ".last"
_MOST = 8  # processes of one name
_SEND_SECONDS = 2.0

log = get_logger(__name__)


def folder(data_dir: Path) -> Path:
    """Where the sockets of all processes are."""
    return data_dir / "metrics"


@contextlib.contextmanager
def answering(data_dir: Path, name: str) -> Iterator[None]:
    """Answers as ``name``, or ``name-2`` where somebody else does, from a thread of its own.

    Where that cannot be, it says so and does without: no work depends on it.
    """
    with contextlib.ExitStack() as stack:
        try:
            listening = _listen(stack, data_dir, name)
        except OSError as error:
            log.warning("no metrics of this process", error=str(error))
        else:
            thread = threading.Thread(target=_serve, args=(listening,), name="metrics", daemon=True)
            thread.start()
        yield


def leave(data_dir: Path, name: str) -> None:
    """Leaves what this process has counted, for when it is gone; call it at the very end.

    Where the disk takes nothing, it says so and does without.
    """
    path = folder(data_dir) / f"{name}{LAST}"
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(exposition())
        partial.replace(path)
    except OSError as error:
        log.warning("no metrics of this process are left", error=str(error))


def clear(data_dir: Path) -> None:
    """Removes the sockets of processes that are gone, and what others have left."""
    for path in folder(data_dir).glob(f"*{LAST}"):
        path.unlink(missing_ok=True)
    for path in folder(data_dir).glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError), path.with_suffix(".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _listen(stack: contextlib.ExitStack, data_dir: Path, name: str) -> socket.socket:
    own = folder(data_dir)
    own.mkdir(parents=True, exist_ok=True)
    own.chmod(0o700)
    path = _take(stack, own, name)
    path.unlink(missing_ok=True)
    path.with_suffix(LAST).unlink(missing_ok=True)
    listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    with local.short_path(own, path.name) as way:
        listening.bind(way)
    stack.callback(path.unlink, missing_ok=True)
    listening.listen(8)
    return listening


def _take(stack: contextlib.ExitStack, own: Path, name: str) -> Path:
    """A path that is ours until the stack is closed, or we die."""
    for number in range(1, _MOST + 1):
        path = own / f"{name}{'' if number == 1 else f'-{number}'}{SUFFIX}"
        file: IO[str] = path.with_suffix(".lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        stack.callback(file.close)
        return path
    raise OSError(f"{own}: {_MOST} processes are called {name}")


def _serve(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # closed
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_SEND_SECONDS)
            connection.sendall(exposition())
