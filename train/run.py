"""A training from data to encoder."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors import SafetensorError
from torch import Tensor

from reid_models import Similarities, load_encoder, save_encoder
from train.data import DataSet, Sample
from train.errors import TrainError
from train.evaluation import Features, embed_data, evaluate, recommend
from train.files import write_text
from train.generation.report import write_page
from train.loop import Epoch
from train.loop.accelerator import make_accelerator
from train.loop.checkpoint import prepare_folder
from train.loop.loop import Loop
from train.loop.record import describe, device_name, versions
from train.loop.validation import hold_out, with_weights
from train.methods import kind
from train.methods.dgnet_features import DGNetSettings
from train.methods.settings import dump_settings, load_settings
from train.methods.slsr import SlsrSettings
from train.methods.steps import Steps
from train.methods.supervised import EncoderSettings
from train.methods.unsupervised import ClusteredSettings
from train.report import summary
from train.unsupervised.report import REPORT, write_report

ENCODER, RECORD = "encoder.safetensors", "run.json"
_GO_ON = "the checkpoint is whole: make room, then go on with --resume"


def method_settings(
    method: str, source: str = "default", changes: Sequence[str] = ()
) -> EncoderSettings:
    """The settings of a method by its name; see `train.methods.settings.load_settings`."""
    return load_settings(kind(method).settings, method, source, changes)


def print_epoch(epoch: Epoch) -> None:
    """One line on stderr."""
    print(epoch, file=sys.stderr, flush=True)


def train_encoder(
    method: str,
    data: DataSet,
    out: Path,
    settings: EncoderSettings,
    seed: int = 0,
    resume: bool = False,
    command: str = "",
    report: Callable[[Epoch], None] = print_epoch,
) -> dict[str, Any]:
    """Train, write ``out/encoder.safetensors`` and ``out/run.json``, and give the latter.

    The last epoch is what is kept, or with ``validation`` the best on held-out training
    identities; the test part is looked at once, after the training. Of several processes
    (torchrun) the first one writes, and the others give an empty record.

    Args:
        method: a name of `train.methods.METHODS`.
        data: what to learn from and to measure on.
        out: folder of the run; must be new or empty, unless ``resume``.
        settings: from `method_settings`.
        seed: of weights, order and augmentation.
        resume: go on from ``out/checkpoint.pt``.
        command: noted in ``run.json``.
        report: called after each epoch, in the first process.

    Raises:
        TrainError: the folder, the checkpoint, the data or the settings do not fit, the loss is
            no longer a number, or the disk is full.
    """
    accelerator = make_accelerator(settings.precision)
    if accelerator.is_main_process:
        prepare_folder(out, resume)
    accelerator.wait_for_everyone()
    run = _Run(method, data, out, settings, seed, accelerator)
    if resume:
        run.loop.resume()
    run.loop.fit(report)
    result = run.finish(command) if accelerator.is_main_process else {}
    # They hold each other in cycles, and Python does not see how large their tensors are: without
    # this a study of many trainings grows by all of them.
    del run, accelerator
    gc.collect()
    return result


class _Run:
    """A method in its loop, and what is known of where both came from."""

    def __init__(
        self,
        method: str,
        data: DataSet,
        out: Path,
        settings: EncoderSettings,
        seed: int,
        accelerator: Accelerator,
    ) -> None:
        self._name, self._data, self._out, self._settings = method, data, out, settings
        self._seed, self._device = seed, accelerator.device
        self._description = describe(data)
        samples, validate = data.train, None
        if settings.validation is not None:
            held = hold_out(data.train, settings.validation.share, seed)
            samples, validate = held.train, self._validation(held.query, held.gallery)
        shown = f"{len({sample.identity for sample in samples})} identities"
        if isinstance(settings, ClusteredSettings) and not settings.learns_from_labels:
            shown = f"{len(samples)} images without labels"
        trained_on = f"{data.name}, {shown}, method {method}, seed {seed}"
        identity = {
            "method": method,
            "settings": dump_settings(settings),
            "seed": seed,
            "processes": accelerator.num_processes,
            "data": self._description["data_fingerprint"],
        }
        make, _, steps = kind(method)
        if steps is not None:
            make = steps(Steps(settings, samples, out, seed, identity, accelerator))
        set_seed(seed)
        self.method = make(settings, samples, seed, trained_on)
        self.loop = Loop(self.method, settings, seed, out, identity, accelerator, validate)

    def finish(self, command: str) -> dict[str, Any]:
        """Write the encoder, measure it on the test part, and write the record."""
        start = time.monotonic()
        measured = self._save_encoder()
        history = self.loop.history
        result = {
            "command": command,
            "method": self._name,
            **self._description,
            "seed": self._seed,
            "settings": dump_settings(self._settings),
            "versions": versions(),
            "device": device_name(self._device),
            "processes": self.loop.accelerator.num_processes,
            "precision": self.loop.accelerator.mixed_precision,
            "epochs": [asdict(epoch) for epoch in history],
            "kept_epoch": self.loop.best_epoch,
            "metrics": measured,
            "seconds": {
                "training": round(sum(epoch.seconds for epoch in history), 3),
                "evaluation": round(time.monotonic() - start, 3),
            },
        }
        text = json.dumps(result, indent=2) + "\n"
        record = self._out / RECORD
        with _saving(record):
            write_text(record, text)
        if isinstance(self._settings, ClusteredSettings):
            encoder = load_encoder(self._out / ENCODER, str(self._device))
            clustering = self._settings.clustering
            write_report(self._out / REPORT, result, encoder, self._data.train, clustering)
        if isinstance(self._settings, DGNetSettings | SlsrSettings):
            write_page(self._out, result)
        return result

    def _save_encoder(self) -> dict[str, Any]:
        """Write the encoder with its figures on the test part; the figures, none without one."""
        file, description = self._out / ENCODER, self.method.description
        network = with_weights(description, self.loop.weights())
        with _saving(file):
            save_encoder(file, network, description)
        if not self._data.query:
            return {}
        encoder = load_encoder(file, str(self._device))
        query = embed_data(encoder, self._data.query)
        gallery = embed_data(encoder, self._data.gallery)
        measured = {"data": self._data.name, **summary(evaluate(query, gallery))}
        final = description.model_copy(
            update={"metrics": [measured], "thresholds": _thresholds(query, gallery)}
        )
        with _saving(file):
            save_encoder(file, network, final)
        return measured

    def _validation(
        self, query: Sequence[Sample], gallery: Sequence[Sample]
    ) -> Callable[[dict[str, Tensor]], dict[str, float]]:
        def validate(weights: dict[str, Tensor]) -> dict[str, float]:
            file = self._out / "validation.safetensors"
            network = with_weights(self.method.description, weights)
            with _saving(file):
                save_encoder(file, network, self.method.description)
            encoder = load_encoder(file, str(self._device))
            file.unlink()
            ranking = evaluate(embed_data(encoder, query), embed_data(encoder, gallery))
            return {"rank1": float(ranking.cmc[0]), "map": ranking.mean_average_precision}

        return validate


def _thresholds(query: Features, gallery: Features) -> Similarities | None:
    """Those that the encoder recommends; None where the test part is too small to say."""
    try:
        return recommend(query, gallery)
    except TrainError as error:
        print(f"the encoder recommends no thresholds: {error}", file=sys.stderr)
        return None


@contextmanager
def _saving(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainError(f"{file}: cannot be written ({error}); {_GO_ON}") from None
    except TrainError as error:
        raise TrainError(f"{error}; {_GO_ON}") from None
