"""A user whom permissions bind, also where the tests run as root."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Within it this process may do what anybody may; threads begun in it may too."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(_NOBODY, _NOBODY, 0)  # the saved one is the way back
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that everybody may look into; pytest's own are for their user alone."""
    with tempfile.TemporaryDirectory(prefix="camtrail-public-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
