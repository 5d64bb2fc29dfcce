"""The record of the encoders that were promoted, in ``DATA_DIR/encoders/current.json``.

It stands above ``encoder.path`` for as long as that names the file it named at the first promotion;
whoever writes another path into ``site.yaml`` means that one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import CamtrailError

MAX_BYTES = 1_000_000


class Used(BaseModel):
    """An encoder that was in use from a moment on.

    Attributes:
        file: absolute, or a name beside the record.
        fingerprint: of the file.
        since: seconds since the epoch; None for the one of ``site.yaml``.
        gain: over the one before, where a comparison said so.
        measure: what the gain is of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    fingerprint: str
    since: float | None = None
    gain: float | None = None
    measure: str = "mAP"


class Record(BaseModel):
    """The encoders one after the other; the last is in use.

    Attributes:
        instead_of: the absolute path that ``site.yaml`` gave.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    instead_of: Path
    used: tuple[Used, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Encoders:
    """The folder of promoted encoders of a data directory."""

    data_dir: Path

    @property
    def folder(self) -> Path:
        return self.data_dir / "encoders"

    def path(self, used: Used) -> Path:
        """Where the file of an encoder stands."""
        return self.folder / used.file

    def read(self) -> Record | None:
        """The record; None where nothing was ever promoted.

        Raises:
            CamtrailError: it, or the data directory, cannot be read.
        """
        try:
            with self._record.open("rb") as file:
                text = file.read(MAX_BYTES)
            return Record.model_validate_json(text)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            if isinstance(error, OSError) and not os.access(self.folder, os.X_OK):
                raise CamtrailError(
                    f"{self.data_dir}: cannot be used as data_dir ({error.strerror}); name a "
                    "folder that you may read and write"
                ) from None
            cause = error.strerror if isinstance(error, OSError) else "is damaged"
            raise CamtrailError(
                f"{self._record}: {cause}; restore it, or delete it to use `encoder.path` of "
                "site.yaml again"
            ) from None

    def write(self, record: Record) -> None:
        """Replaces the record, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self._record.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._record)

    def in_use(self, configured: Path) -> Path:
        """The file in use where ``site.yaml`` names ``configured``."""
        record = self.read()
        if record is None or record.instead_of != configured.absolute():
            return configured
        return self.path(record.used[-1])

    def stamp(self) -> int:
        """Changes when another encoder is taken into use; 0 where none ever was."""
        try:
            return self._record.stat().st_mtime_ns
        except OSError:
            return 0

    @property
    def _record(self) -> Path:
        return self.folder / "current.json"
