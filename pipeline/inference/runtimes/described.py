"""What ultralytics wrote about a network into its export."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from pipeline.errors import CamtrailError

_MOST_TEXT = 1 << 20  # characters; the names of a thousand classes have twenty thousand


class Exported(BaseModel):
    """The part of it that we need."""

    task: str
    stride: int = Field(ge=1, le=1024)
    imgsz: tuple[int, int]
    batch: int = Field(1, ge=1, le=1024)
    names: dict[int, str]
    end2end: bool = False
    args: dict[str, Any] = {}

    @field_validator("imgsz", "names", "end2end", "args", mode="before")
    @classmethod
    def _literal(cls, value: Any) -> Any:
        """In ONNX all of it is text: Python's way to write numbers, lists and dicts."""
        if not isinstance(value, str):
            return value
        if len(value) > _MOST_TEXT:
            raise ValueError("too long")
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError("not a literal of Python") from None

    @property
    def one_box_a_person(self) -> bool:
        return self.end2end or bool(self.args.get("nms"))


def describe(metadata: Mapping[str, Any] | None, path: Path) -> Exported:
    """What stands in the metadata of the file ``path``.

    Raises:
        CamtrailError: it is no export of ultralytics, or not a detector's.
    """
    try:
        exported = Exported.model_validate(metadata or {})
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise CamtrailError(
            f"{path}: no detector that ultralytics exported (its metadata has no valid {field}); "
            "`camtrail detector export` makes one of .pt weights"
        ) from None
    if exported.task != "detect":
        raise CamtrailError(
            f"{path}: a network for the task '{exported.task}'; a detector is needed"
        )
    return exported
