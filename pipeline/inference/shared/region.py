"""Memory that a worker and the inference process both see; it needs Linux.

It has no name: it goes with the last process that holds it, however that one dies.
"""

from __future__ import annotations

import fcntl
import mmap
import os

import numpy as np
import numpy.typing as npt

from pipeline.inference.shared.messages import Hello, MessageError
from pipeline.records import FloatArray

MAX_BYTES = 1 << 30
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

Bytes = npt.NDArray[np.uint8]


class Region:
    """Slots, each with bytes for pictures and behind them bytes for results.

    Raises:
        MessageError: the memory is not of the size that ``hello`` says, too large, or could be
            cut off under its reader.
    """

    def __init__(self, handle: int, hello: Hello) -> None:
        size = _size(hello)
        sizes = hello.slots, hello.input_bytes, hello.output_bytes
        if min(sizes) < 1 or size > MAX_BYTES or any(n % 4 for n in sizes[1:]):
            raise MessageError(f"slots of {sizes}; whole float32, {MAX_BYTES} bytes at most")
        try:
            sealed = fcntl.fcntl(handle, fcntl.F_GET_SEALS) & _SEALS == _SEALS
        except OSError:  # no such memory at all, but a file, say
            sealed = False
        if not sealed or os.fstat(handle).st_size != size:
            raise MessageError(f"memory that is not {size} sealed bytes")
        self._hello = hello
        self._bytes = np.frombuffer(mmap.mmap(handle, size), np.uint8)

    def pictures(self, slot: int) -> Bytes:
        """The bytes of a slot's pictures; writable."""
        return self._part(slot, 0, self._hello.input_bytes)

    def results(self, slot: int) -> FloatArray:
        """The float32 of a slot's result; writable."""
        part = self._part(slot, self._hello.input_bytes, self._hello.output_bytes)
        return part.view(np.float32)

    def _part(self, slot: int, offset: int, size: int) -> Bytes:
        begin = slot * (self._hello.input_bytes + self._hello.output_bytes) + offset
        return self._bytes[begin : begin + size]


def make_region(hello: Hello) -> tuple[int, Region]:
    """New memory: its file descriptor, which is the caller's to close, and the slots in it."""
    handle = os.memfd_create("camtrail", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(handle, _size(hello))
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
    return handle, Region(handle, hello)


def _size(hello: Hello) -> int:
    return hello.slots * (hello.input_bytes + hello.output_bytes)
