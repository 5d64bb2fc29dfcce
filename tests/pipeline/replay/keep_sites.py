"""Makes the recordings in ``kept``: simulated sites, seen by the real detector and encoder.

``python -m tests.pipeline.replay.keep_sites [NAME...]``, some minutes on two cores. Their seeds
served for nothing else. Each has its truth beside it, in ``NAME.truth.zip``.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from tests.benchmarks.recording import record
from tests.programs import camtrail

KEPT = Path(__file__).parent / "kept"
SITES = {
    "yard": "--seed 6301 --cameras 3 --people 8 --seconds 40",
    "hall": "--seed 6302 --cameras 2 --people 5 --seconds 30 --overlap",
    "mall": "--seed 6303 --cameras 4 --people 10 --seconds 30",
}


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SITES:
        with tempfile.TemporaryDirectory() as folder:
            keep(name, Path(folder))


def keep(name: str, folder: Path) -> None:
    """Simulates a site, runs it, records it, and packs its truth."""
    camtrail("simulate", "--out", folder, *SITES[name].split())
    record(folder / "site.yaml", KEPT / f"{name}.camtrail")
    with zipfile.ZipFile(KEPT / f"{name}.truth.zip", "w", zipfile.ZIP_LZMA) as packed:
        for file in sorted(folder.glob("*.gt.txt")):
            packed.writestr(zipfile.ZipInfo(file.name), file.read_bytes(), zipfile.ZIP_LZMA)


if __name__ == "__main__":
    main()
