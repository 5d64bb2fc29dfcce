"""Writing the folder: whole or not at all."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.crops.selection import Labelled
from pipeline.errors import CamtrailError
from pipeline.keyring import Keyring
from pipeline.privacy.crops import is_blurred

FORMAT, VERSION = "camtrail crops", 1
TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"

# file: with its part, "/" between; label: confirmed, matched or tracklet; camera: its name;
# camera_number: the one in the file's name; tracklet: CAMERA/RUN/TRACK; tracklet_number: the same
# as a number; time: seconds since the epoch; quality: in [0, 1]; encoder: the fingerprint of the
# one that the site used; confirmed: the identity by a person's word, empty where there is none.
COLUMNS = (
    "file",
    "identity",
    "label",
    "camera",
    "camera_number",
    "tracklet",
    "tracklet_number",
    "time",
    "quality",
    "encoder",
    "confirmed",
)

_SAY_EVERY = 5.0  # seconds


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into that becomes ``out`` at the end, or nothing if it fails.

    Raises:
        CamtrailError: ``out`` is there and not empty, or the disk takes nothing.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CamtrailError(f"{out}: exists and is not an empty folder; choose another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            yield partial
            if out.exists():
                out.rmdir()
            partial.rename(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise CamtrailError(f"{out}: cannot be written: {error.strerror or error}") from None


class Writer:
    """Copies crops into the parts of a folder and notes a row for each.

    Args:
        folder: to write into.
        cameras: number of each camera.
        runs: number of each camera's run.
        total: how many will come, for the progress.
        keyring: decrypts them.

    Attributes:
        missing: crops whose file is no longer there.
        blurred: those in which whole persons are hidden, of which nobody learns anything.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Mapping[str, int],
        runs: Mapping[tuple[str, str], int],
        total: int,
        keyring: Keyring,
    ) -> None:
        self._folder = folder
        self._cameras = cameras
        self._runs = runs
        self._total = total
        self._keyring = keyring
        self._names: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._said = time.monotonic()
        self._done = 0
        self.missing = 0
        self.blurred = 0

    def add(self, part: str, crops: Sequence[Labelled]) -> list[Labelled]:
        """Copies the crops into a part; those that could be."""
        (self._folder / part).mkdir()
        return [labelled for labelled in crops if self._copy(part, labelled)]

    def finish(self, description: Mapping[str, Any]) -> None:
        """Writes the table and the description."""
        with (self._folder / "crops.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(self._rows)
        text = json.dumps({"format": FORMAT, "version": VERSION, **description}, indent=2)
        (self._folder / "dataset.json").write_text(text + "\n", encoding="utf-8")

    def _copy(self, part: str, labelled: Labelled) -> bool:
        name = f"{part}/{self._name(part, labelled)}"
        try:
            data = self._keyring.read(labelled.crop.file)
        except FileNotFoundError:  # replaced by a better one since the store was read, or deleted
            self.missing += 1
            return False
        if is_blurred(data, "persons"):
            self.blurred += 1
            return False
        (self._folder / name).write_bytes(data)
        self._rows.append(self._row(name, labelled))
        self._progress()
        return True

    def _name(self, part: str, labelled: Labelled) -> str:
        crop = labelled.crop
        camera, run = self._cameras[crop.key.camera], self._runs[crop.key.camera, crop.key.run]
        stem = f"{labelled.identity:04}_c{camera}s{run}_{crop.frame:06}"
        index = self._names[f"{part}/{stem}"]
        self._names[f"{part}/{stem}"] += 1
        return f"{stem}_{index:02}.jpg"

    def _row(self, name: str, labelled: Labelled) -> dict[str, Any]:
        crop = labelled.crop
        values = (
            name,
            labelled.identity,
            labelled.source.value,
            crop.key.camera,
            self._cameras[crop.key.camera],
            str(crop.key),
            crop.tracklet,
            f"{crop.time:.3f}",
            f"{crop.quality:.4f}",
            crop.fingerprint,
            "" if crop.confirmed is None else crop.confirmed,
        )
        return dict(zip(COLUMNS, values, strict=True))

    def _progress(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._said > _SAY_EVERY:
            self._said = now
            print(f"copied {self._done} of {self._total} crops", file=sys.stderr, flush=True)
