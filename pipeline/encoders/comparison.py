"""What `camtrail-train compare` found, as the file that a promotion asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import CamtrailError

MAX_BYTES = 10_000_000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Gain(_Part):
    """Of the measure, with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Side(_Part):
    """One of the two encoders."""

    fingerprint: str


class Comparison(_Part):
    """Two encoders on the same held-out crops.

    Attributes:
        measure: what the gain is of; ``mAP``, or ``consistency`` where nobody was confirmed.
        better: whether the new one's is, beyond doubt.
    """

    format: Literal[1]
    data: str
    measure: str = Field("mAP", max_length=40)
    old: Side
    new: Side
    gain: Gain
    better: bool

    def check(self, file: Path, old: str, new: str) -> None:
        """Whether it speaks for taking ``new`` in the place of ``old`` (fingerprints).

        Raises:
            CamtrailError: it does not.
        """
        for name, side, wanted in (("old", self.old, old), ("new", self.new, new)):
            if side.fingerprint != wanted:
                raise CamtrailError(
                    f"{file}: compares other files: its {name} encoder is {side.fingerprint[:12]}, "
                    f"not {wanted[:12]}; run `camtrail-train compare` on the two again"
                )
        if not self.better:
            gain = self.gain
            raise CamtrailError(
                f"{file}: the new encoder is not better beyond doubt: its {self.measure} differs "
                f"by {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) on {self.data}; "
                "--force takes it all the same"
            )


def read_comparison(file: Path) -> Comparison:
    """Raises `CamtrailError` where it is missing or something else."""
    try:
        with file.open("rb") as opened:
            return Comparison.model_validate_json(opened.read(MAX_BYTES))
    except OSError as error:
        raise CamtrailError(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError:
        raise CamtrailError(
            f"{file}: is no comparison of two encoders; `camtrail-train compare --out` writes one"
        ) from None
