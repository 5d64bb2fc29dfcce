"""The way from a site's crops to an encoder that may take the place of the one in use.

Everything lies in one folder, and what is there is not done again:

======================  ==========================================================================
``retrain.json``        what was asked for, and the encoder in use when it began
``former.safetensors``  a copy of that encoder
``crops/``              what ``camtrail crops export`` wrote
``training/``           a run like any other, with a checkpoint after each epoch
``comparison.json``     the former encoder and the new one on what was kept to measure on
======================  ==========================================================================
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from reid_models import Description, InputSpec, load_encoder
from train.compare import Comparison, compare
from train.comparison_page import write_comparison
from train.data import DataSet
from train.errors import TrainError
from train.evaluation.embed import Progress
from train.files import write_text
from train.loop.accelerator import make_accelerator
from train.loop.checkpoint import NAME as CHECKPOINT
from train.methods.supervised import EncoderSettings
from train.retrain.collected import Parted, part, read_crops
from train.retrain.consistency import ConsistencyComparison, compare_consistency
from train.retrain.live import ask
from train.run import ENCODER, RECORD, method_settings, train_encoder

BEGUN, FORMER, CROPS = "retrain.json", "former.safetensors", "crops"
TRAINING, COMPARISON = "training", "comparison.json"
METHODS = ("ice", "abmt")
Bar = Callable[[str, int], AbstractContextManager[Progress]]  # what is done, of how many images


@dataclass(frozen=True)
class Wish:
    """What is asked for; a run that goes on must be asked for the same.

    Attributes:
        site: the site.yaml.
        method: of `METHODS`.
        settings: a preset or a YAML file.
        changes: of it, as for ``--set``.
        since: crops since then, as ``camtrail crops export`` has it; None for all.
        test: share of the tracklets, the newest, that is kept to measure on.
        seed: of the training.
    """

    site: Path
    method: str
    settings: str
    changes: tuple[str, ...]
    since: str | None
    test: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Attributes:
        encoder: the new file.
        comparison: the file that says whether it is better.
        judged_by: ``confirmed people`` or ``tracklets``.
        measure: what the gain is of.
        gain: of the new encoder over the former.
        low: of its 95 % interval.
        high: of its 95 % interval.
        better: beyond doubt.
        promoted: whether it is in use now.
    """

    encoder: str
    comparison: str
    judged_by: str
    measure: str
    gain: float
    low: float
    high: float
    better: bool
    promoted: bool = False


def retrain(
    wish: Wish, out: Path, resume: bool, bar: Bar, device: str = "auto", command: str = ""
) -> Outcome | None:
    """All steps that are not done yet; promotes nothing. Of several processes (torchrun) the first
    one has the outcome.

    Args:
        wish: what is asked for.
        out: folder of the run; must be new or empty, unless ``resume``.
        resume: go on where the run stopped.
        bar: shows how far the comparison is, from what is done and of how many images.
        device: of the encoders that are measured.
        command: noted in the training's record.

    Raises:
        TrainError: says what was missing, or what does not fit.
    """
    if wish.method not in METHODS:
        raise TrainError(f"--method {wish.method}: is one of {', '.join(METHODS)}")
    accelerator = make_accelerator("fp32")
    if accelerator.is_main_process:
        _begin(wish, out, resume)
        if not (out / CROPS).is_dir():
            _say(accelerator, "step 1 of 3: exporting the crops")
            since = [] if wish.since is None else ["--since", wish.since]
            labels = ["--labels", "tracklet", "--test", "0"]
            ask("crops", "export", wish.site, "--out", out / CROPS, *labels, *since)
    accelerator.wait_for_everyone()
    parted = part(read_crops(out / CROPS), wish.test)
    name = f"site {json.loads((out / CROPS / 'dataset.json').read_text())['site']}"
    data = DataSet(name, parted.train, parted.query, parted.gallery, [], "crops", "retrain")
    _say(
        accelerator,
        f"step 2 of 3: learning from {len(parted.train)} crops without labels; "
        f"{len(parted.test)} crops of the newest tracklets are kept to measure on",
    )
    _train(wish, data, out / TRAINING, settings_for(wish, out / FORMER), command)
    if not accelerator.is_main_process:
        return None
    _say(accelerator, "step 3 of 3: comparing the two encoders")
    images = len(parted.query) + len(parted.gallery) or len(parted.test)
    with bar("embedding", 2 * images) as done:
        return _compared(parted, data, out, device, wish.seed, done)


def promote(wish: Wish, outcome: Outcome) -> None:
    """Take the new encoder into use.

    Raises:
        TrainError: it cannot be.
    """
    ask("encoder", "promote", outcome.encoder, wish.site, "--comparison", outcome.comparison)


def settings_for(wish: Wish, former: Path) -> EncoderSettings:
    """Those of the method, for a network that begins as the encoder in use; ``wish.changes`` last.

    ABMT trains branches, which an encoder of one branch gives their first weights.

    Raises:
        TrainError: that encoder cannot be trained, or a setting does not fit.
    """
    description = load_encoder(former, "cpu").description
    height, width = description.input.height, description.input.width
    if description.input != InputSpec(height=height, width=width):
        raise TrainError(
            f"{former}: wants other means and deviations of its input than our training gives it"
        )
    own: dict[str, Any] = {"height": height, "width": width, "flip": description.flip}
    own |= {"weights": str(former.absolute()), "clustering.tracklets": True}
    own |= _network(wish.method, description)
    changes = [f"{key}={json.dumps(value)}" for key, value in own.items()]
    return method_settings(wish.method, wish.settings, [*changes, *wish.changes])


def _network(method: str, description: Description) -> dict[str, Any]:
    same = {"architecture": description.architecture, "arguments": description.arguments}
    branched = description.architecture == "asymmetric"
    return same if method == "ice" or branched else {"arguments.backbone": same["architecture"]}


def _begin(wish: Wish, out: Path, resume: bool) -> None:
    """The folder, what was asked for, and a copy of the encoder in use."""
    wished = asdict(wish) | {"site": str(wish.site.absolute()), "changes": list(wish.changes)}
    if resume:
        check_same(out, wished)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: exists and is not empty; choose another folder, or --resume")
    used = ask("encoder", "info", wish.site)
    now = wished | {"encoder": used["fingerprint"]}
    if resume:
        check_same(out, now)
        return
    file = Path(used["file"])
    if file.suffix != ".safetensors":
        raise TrainError(
            f"{file}: the encoder in use cannot be trained further, since it is no .safetensors "
            "file of ours; train one with `camtrail-train ice --data CROPS` and promote that"
        )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, out / FORMER)
    write_text(out / BEGUN, json.dumps(now, indent=2) + "\n")


def check_same(out: Path, now: Mapping[str, Any]) -> None:
    """Raises `TrainError` where the run was begun with other values, or never."""
    try:
        begun = json.loads((out / BEGUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise TrainError(
            f"{out}: there is no {BEGUN} to resume from; begin again, in a new folder"
        ) from None
    different = [
        f"{key} was {begun.get(key)} and is {value}"
        for key, value in now.items()
        if begun.get(key) != value
    ]
    if different:
        raise TrainError(
            f"{out}: begun with something else ({'; '.join(different)}); resume with what began "
            "it, or begin again in a new folder"
        )


def _train(
    wish: Wish, data: DataSet, folder: Path, settings: EncoderSettings, command: str
) -> None:
    if (folder / RECORD).is_file():
        return
    resume = (folder / CHECKPOINT).is_file()
    if folder.is_dir() and not resume:  # it stopped in its first epoch
        shutil.rmtree(folder)
    train_encoder(wish.method, data, folder, settings, wish.seed, resume, command)


def _compared(
    parted: Parted, data: DataSet, out: Path, device: str, seed: int, done: Progress
) -> Outcome:
    files = (out / FORMER, out / TRAINING / ENCODER)
    found: Comparison | ConsistencyComparison
    if parted.query:
        found, judged_by = compare(*files, data, device, seed, done), "confirmed people"
        write_comparison(out / "comparison.html", found)
    else:
        found = compare_consistency(*files, parted.test, data.name, device, seed, done)
        judged_by = "tracklets"
    file = out / COMPARISON
    write_text(file, found.as_json())
    return Outcome(
        encoder=str(files[1]),
        comparison=str(file),
        judged_by=judged_by,
        measure=found.measure,
        gain=found.gain.value,
        low=found.gain.low,
        high=found.gain.high,
        better=found.better,
    )


def _say(accelerator: Accelerator, text: str) -> None:
    if accelerator.is_main_process:
        print(text, file=sys.stderr, flush=True)
