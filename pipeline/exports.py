"""Where data of a site were copied to: what `camtrail export`, `crops export` and `record` wrote.

These copies are the user's; nothing of ours deletes them. ``exports.jsonl`` in the data directory
says where they are, so that they are not forgotten.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Site

FILE = "exports.jsonl"


@dataclass(frozen=True)
class Export:
    """``kind`` is the command; ``time`` by the clock."""

    kind: str
    path: Path
    time: float


def note_export(site: Site, kind: str, path: Path) -> None:
    """Notes that a command writes there; where that cannot be noted, it says so."""
    line = {"kind": kind, "path": str(path.absolute()), "time": time.time()}
    file = site.data_dir / FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line) + "\n")
    except OSError as error:
        said = f"that data are copied to {path} cannot be noted: {error.strerror}"
        print(f"camtrail: {file}: {said}", file=sys.stderr)


def exports_left(site: Site) -> list[Export]:
    """Those that are still where they were written, the oldest first; each place once."""
    try:
        lines = (site.data_dir / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found: dict[Path, Export] = {}
    for line in lines:
        try:
            said = json.loads(line)
            export = Export(str(said["kind"]), Path(said["path"]), float(said["time"]))
        except (ValueError, KeyError, TypeError):  # of a command that was killed
            continue
        if export.path.exists():
            found[export.path] = export
    return sorted(found.values(), key=lambda export: export.time)
