"""Where things are kept that would only have to be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$CAMTRAIL_CACHE, else ~/.cache/camtrail. It need not exist yet."""
    named = os.environ.get("CAMTRAIL_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "camtrail"
