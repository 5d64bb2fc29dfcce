"""Where things are kept that would only have to be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$CAMTRAIL_CACHE, else ``camtrail`` in $XDG_CACHE_HOME or ~/.cache. It need not exist yet."""
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CAMTRAIL_CACHE") or users / "camtrail")
