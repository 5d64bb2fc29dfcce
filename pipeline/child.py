"""Processes that end when we end, and what their exit status says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

STOPPED = os.EX_TEMPFAIL  # of what was stopped before its end: start it again
INCOMPLETE = os.EX_DATAERR  # of a file's worker at its end: some of it could not be decoded

# Linux can signal a child when its parent dies, and that survives the exec. Elsewhere a child
# left behind is found by the next start (by its lock, or its socket).
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn(
    command: Sequence[str], output: IO[bytes] | int, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program that gets SIGTERM when this process dies, even by ``kill -9``.

    Call it from the thread that lives longest: the death of the calling *thread* counts. The
    program has its own session, so that Ctrl-C on the terminal reaches only us, who stop it in
    order.

    Args:
        command: absolute path of the program, and its arguments.
        output: where its stdout and stderr go.

    Raises:
        OSError: it cannot be started.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
    return subprocess.Popen(
        [*launcher, *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
