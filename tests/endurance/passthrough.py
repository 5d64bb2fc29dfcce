"""A file system (FUSE) that passes everything on to a folder, until it is read-only.

``python -m tests.endurance.passthrough FOLDER MOUNTPOINT FLAG``

Linux lets nobody remount read-only what somebody has open for writing; but a disk with errors, or
a server of files, becomes so under those who write. While the file ``FLAG`` is there, everything
that would change anything fails with EROFS, also through descriptors that are open.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

from mfusepy import FUSE, FuseOSError, Operations

_STATVFS = (
    "f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag",
    "f_frsize", "f_namemax",
)  # fmt: skip
_STAT = ("st_atime_ns", "st_ctime_ns", "st_mtime_ns", "st_gid", "st_mode", "st_nlink", "st_size")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT


class Passthrough(Operations):  # type: ignore[misc]
    """Each operation on the same path below ``folder``."""

    use_ns = True

    def __init__(self, folder: Path, flag: Path) -> None:
        self._folder = str(folder)
        self._flag = str(flag)

    def _at(self, path: str) -> Path:
        return Path(self._folder + path)

    def _writable(self) -> None:
        if os.path.lexists(self._flag):
            raise FuseOSError(errno.EROFS)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._at(path))
        return {key.removesuffix("_ns"): getattr(found, key) for key in (*_STAT, "st_uid")}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(found.name for found in self._at(path).iterdir())]

    def readlink(self, path: str) -> str:
        return str(self._at(path).readlink())

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {key: getattr(found, key) for key in _STATVFS}

    def open(self, path: str, flags: int) -> int:
        if flags & _WRITING:
            self._writable()
        return os.open(self._at(path), flags & ~os.O_APPEND)  # the kernel says where to append

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._writable()
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._writable()
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._writable()
        os.truncate(self._at(path) if fh is None else fh, length)
        return 0

    def flush(self, path: str, fh: int) -> int:
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        os.fsync(fh)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def mknod(self, path: str, mode: int, dev: int) -> int:
        self._writable()
        os.mknod(self._at(path), mode, dev)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._writable()
        self._at(path).mkdir(mode)
        return 0

    def unlink(self, path: str) -> int:
        self._writable()
        self._at(path).unlink()
        return 0

    def rmdir(self, path: str) -> int:
        self._writable()
        self._at(path).rmdir()
        return 0

    def rename(self, old: str, new: str) -> int:
        self._writable()
        self._at(old).replace(self._at(new))
        return 0

    def symlink(self, target: str, source: str) -> int:
        self._writable()
        self._at(target).symlink_to(source)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._writable()
        self._at(path).chmod(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        self._writable()
        os.chown(self._at(path), uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._writable()
        os.utime(self._at(path), ns=times)
        return 0


if __name__ == "__main__":
    folder, mountpoint, flag = map(Path, sys.argv[1:])
    os.umask(0)  # modes are those that are asked for
    FUSE(Passthrough(folder, flag), str(mountpoint), foreground=True, allow_other=True)
