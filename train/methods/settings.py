"""Settings of a method: defaults from its YAML file, changed by ``--set key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from train.errors import TrainError


class Settings(BaseModel):
    """A base whose subclasses name the keys and their limits; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


def load_settings(model: type[S], file: str, changes: Sequence[str]) -> S:
    """The settings of ``file`` (beside this module) with ``key=value`` changes.

    Raises:
        TrainError: a key is unknown (names the allowed ones) or a value impossible.
    """
    values = yaml.safe_load(files("train.methods").joinpath(file).read_text(encoding="utf-8"))
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise TrainError(f"--set {change}: write key=value")
        if key not in model.model_fields:
            allowed = ", ".join(model.model_fields)
            raise TrainError(f"--set {change}: unknown key {key!r}; allowed are: {allowed}")
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise TrainError(f"--set {change}: the value cannot be read") from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise TrainError(f"bad settings: {'; '.join(faults)}") from None
