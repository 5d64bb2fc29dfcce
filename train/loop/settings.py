"""The settings that every method has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from train.precision import Precision


class Settings(BaseModel):
    """A base whose subclasses name the keys and their limits; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Validation(Settings):
    """Training identities that are held out to choose the epoch.

    Attributes:
        share: of the training identities.
        every: epochs from one look to the next; the last epoch is always looked at.
    """

    share: Annotated[float, Field(gt=0, le=0.5)]
    every: Annotated[int, Field(ge=1)]


class LoopSettings(Settings):
    """What the loop itself needs; the YAML files beside the methods say what each means."""

    epochs: int = Field(ge=1)
    precision: Precision
    accumulation: int = Field(ge=1)
    gradient_checkpointing: bool
    ema: float | None = Field(gt=0, lt=1)
    validation: Validation | None
    workers: int = Field(ge=0, le=64)


class OptimizerSettings(Settings):
    """How weights are changed, and how fast."""

    optimizer: Literal["adamw", "adam", "amsgrad", "sgd"]
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    decay_norms: bool
    schedule: Literal["constant", "step", "cosine"]
    milestones: list[Annotated[float, Field(gt=0)]]
    decay: float = Field(gt=0, lt=1)
    warmup_epochs: float = Field(ge=0)
    warmup_from: float = Field(ge=0, le=1)
