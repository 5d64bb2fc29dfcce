"""DG-Net by several reconstruction losses, and SLSR, each beside a baseline that saw as many real
images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_models import Encoder
from train.ablate.rows import Study, Trained, Training, trained
from train.data import DataSet
from train.files import write_text
from train.generation.quality import EncoderJudge, quality
from train.methods.dgnet_generator import load_generator
from train.results.page import closing, minutes, opening, spread, table
from train.run import ENCODER

_SIZE = ("height=64", "width=32")
_BASELINE = "baseline"
_REAL, _LSRO, _SLSR = "real images alone", "LSRO", "SLSR"
_LOSSES = ("l1", "l1+mse", "l1+rmse", "l1+cosine")
_STEPS = ("identities_per_batch=8", "steps=100", "epochs=12", "feed_from=6", "feed_ramp=2")
_ALIKE = (*_SIZE, "epochs=8", "warmup_epochs=1")  # of 100 identities as many images as _STEPS

DGNET: dict[str, Training] = {
    _BASELINE: Training("baseline", _ALIKE, keeps_checkpoint=True),
    **{
        f"DG-Net, {loss}": Training(
            "dgnet",
            (*_STEPS, f"image_reconstruction={loss}", f"code_reconstruction={loss}"),
            keeps_checkpoint=True,
        )
        for loss in _LOSSES
    },
}
_MADE = ("features.epochs=8", "dcgan.epochs=40")
SLSR: dict[str, Training] = {
    _REAL: Training("slsr", (*_ALIKE, "generated=0", "noise_layer=none")),
    _LSRO: Training(
        "slsr",
        (*_ALIKE, *_MADE, "generated=1000", "generated_labels=uniform", "noise_layer=none"),
    ),
    _SLSR: Training(
        "slsr",
        (*_ALIKE, *_MADE, "generated=1000", "generated_labels=sparse", "noise_layer=feature"),
    ),
}
Runs = dict[str, list[Trained]]  # by row, one a seed, as far as they are done


def generative(
    data: DataSet, out: Path, seeds: Sequence[int], command: str, judge: Encoder
) -> Iterator[str]:
    """The part of the page as far as it is filled, again after each training.

    Args:
        judge: an encoder that no DG-Net here trained.
        data, out, seeds, command: as of `train.results.supervised.supervised`.
    """
    runs: Runs = {}
    for seed in seeds:  # one after the other, so that what stops has whole seeds
        study = Study(data, out, "default", (), seed, command)
        for name in DGNET:
            runs.setdefault(name, []).append(_with_teacher(study, name, runs))
            yield _page(runs, data, seeds, command, judge)
        for name, run in _labelled(study):
            runs.setdefault(name, []).append(run)
            yield _page(runs, data, seeds, command, judge)


def _page(runs: Runs, data: DataSet, seeds: Sequence[int], command: str, judge: Encoder) -> str:
    images = [_dgnet_row(name, runs[name], judge) for name in DGNET if name in runs]
    labels = [_row(name, runs[name]) for name in SLSR if name in runs]
    record = runs[_BASELINE][0].record
    heads = ["seeds", "Rank-1", "mAP", "minutes"]
    shown = [*heads, "Fréchet distance", "of blurred images", "recognised"]
    return f"""{opening("Generative methods", record, data, seeds)}\
A baseline sees as many real images as its DG-Net. A row of fewer seeds is of those that are done. \
Fréchet distances are in the space of the encoder {judge.fingerprint[:8]}, which none of them \
trained: from other real images to cross-identity images, and to real images blurred by a Gaussian \
of 2 pixels at 64 pixels of height. Recognised: the share of cross-identity images whose nearest \
real image shows the person who gave the appearance, by the same encoder. {_real(runs, judge)}

{table(["", *shown], images)}

LSRO and SLSR learn from the same generated images: LSRO with uniform labels, SLSR with sparse \
ones and the noise layer.

{table(["", *heads], labels)}

{closing(command, record, {**DGNET, **SLSR})}"""


def _real(runs: Runs, judge: Encoder) -> str:
    """What the measures give of real images in place of generated ones."""
    made = next((own[0] for name, own in runs.items() if name in DGNET and name != _BASELINE), None)
    if made is None:
        return ""
    found = _quality(made, judge)
    return (
        f"Real images in place of generated ones: {found['real']:.4f}, and "
        f"{found['recognised_real']:.1%} recognised."
    )


def _with_teacher(study: Study, name: str, runs: Runs) -> Trained:
    """A training of the first table; the baseline of its seed teaches a DG-Net."""
    training = DGNET[name]
    if name != _BASELINE:
        teacher = f"teacher={runs[_BASELINE][-1].folder / ENCODER}"
        training = replace(training, changes=(*training.changes, teacher))
    return trained(study, training)


def _labelled(study: Study) -> Iterator[tuple[str, Trained]]:
    """The trainings of the second table; their labels are of the same generated images."""
    maker: Trained | None = None
    for name, training in SLSR.items():
        if maker is not None:
            taken = (*training.changes, f"images_from={maker.folder}")
            training = replace(training, changes=taken)
        run = trained(study, training)
        maker = run if (run.folder / "steps").is_dir() else maker
        yield name, run


def _row(name: str, runs: Sequence[Trained]) -> list[str]:
    rates = [spread([run.record["metrics"][key] for run in runs]) for key in ("rank1", "map")]
    span = minutes([run.record["seconds"]["training"] for run in runs])
    return [name, str(len(runs)), *rates, span]


def _dgnet_row(name: str, runs: Sequence[Trained], judge: Encoder) -> list[str]:
    row = _row(name, runs)
    if name == _BASELINE:
        return [*row, "-", "-", "-"]
    found = [_quality(run, judge) for run in runs]
    distances = [spread([float(f[key]) for f in found], 1, 4) for key in ("generated", "blurred")]
    return [*row, *distances, spread([float(f["recognised"]) for f in found])]


def _quality(run: Trained, judge: Encoder) -> dict[str, Any]:
    """Measured once by each judge."""
    file = run.folder / f"quality-{judge.fingerprint[:8]}.json"
    if not file.is_file():
        generator, spec = load_generator(run.folder)
        found = quality(generator, spec, run.data.train, EncoderJudge(judge), run.record["seed"])
        write_text(file, json.dumps(found, indent=2) + "\n")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
