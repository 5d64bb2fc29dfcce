"""Trainings of a study: each runs once, whatever tables show it, and goes on after a stop."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_models import Encoder, load_encoder
from train.data import DataSet, split_identities
from train.loop.checkpoint import NAME as CHECKPOINT
from train.methods.settings import dump_settings
from train.run import ENCODER, RECORD, method_settings, train_encoder


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes:
        method: a name of `train.methods.METHODS`.
        changes: of the study's settings, as for ``--set``.
        share: of the training identities that it learns from.
        keeps_checkpoint: for what it holds besides the encoder.
    """

    method: str
    changes: tuple[str, ...] = ()
    share: float = 1.0
    keeps_checkpoint: bool = False


@dataclass(frozen=True)
class Study:
    """What the trainings of a study have in common.

    Attributes:
        data: to learn from and to measure on.
        out: folder of the study.
        settings: a preset or a YAML file.
        changes: of it, as for ``--set``, before those of a training.
        seed: of every training.
        command: noted in each record.
    """

    data: DataSet
    out: Path
    settings: str
    changes: Sequence[str]
    seed: int
    command: str


@dataclass(frozen=True)
class Trained:
    """A training that is done: its folder, its record, and the data that it used."""

    folder: Path
    record: dict[str, Any]
    data: DataSet

    @property
    def rates(self) -> dict[str, float | None]:
        """Rank-1 and mAP on the test part."""
        return {"Rank-1": self.record["metrics"]["rank1"], "mAP": self.record["metrics"]["map"]}

    def encoder(self) -> Encoder:
        """What it made."""
        return load_encoder(self.folder / ENCODER)


def trained(study: Study, training: Training) -> Trained:
    """Train, or go on where it stopped, or take what is there.

    The folder is named after everything that decides the outcome, so that two rows of the same
    settings share one training, and other settings never take an old one.
    """
    settings = method_settings(training.method, study.settings, [*study.changes, *training.changes])
    data = study.data
    if training.share < 1:
        data = replace(data, train=split_identities(data.train, training.share, study.seed)[0])
    key = json.dumps([dump_settings(settings), study.seed, data.fingerprint()], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = study.out / "trainings" / f"{training.method}-{digest}"
    if (folder / RECORD).is_file():
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Trained(folder, record, data)
    print(f"{folder}: {' '.join(training.changes)}", file=sys.stderr, flush=True)
    resume = (folder / CHECKPOINT).is_file()
    if folder.is_dir() and not resume:  # it stopped in its first epoch
        shutil.rmtree(folder)
    record = train_encoder(
        training.method, data, folder, settings, study.seed, resume, study.command
    )
    if not training.keeps_checkpoint:
        (folder / CHECKPOINT).unlink()  # there is nothing left to go on with, and it is large
    return Trained(folder, record, data)
