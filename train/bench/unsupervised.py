"""How long a training step without labels takes, against the bare network on the same batch."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from train.bench.training import Bare, made_up, timed
from train.loop.accelerator import make_accelerator
from train.loop.loop import Loop
from train.loop.record import device_name
from train.methods import kind
from train.methods.unsupervised import UnsupervisedSettings

METHODS = ("ice", "abmt")


@dataclass(frozen=True)
class Step:
    """Milliseconds are medians over the rounds.

    Attributes:
        method: a name of `METHODS`.
        device: accelerator or processor.
        precision: of the network.
        batch: images.
        milliseconds: of a step of the loop: reading and changing images, the network, its teacher,
            all losses and the optimiser; without the clustering of an epoch.
        bare_milliseconds: of forward, backward and AdamW of the bare network, its batch ready.
        ratio: of the two.
    """

    method: str
    device: str
    precision: str
    batch: int
    milliseconds: float
    bare_milliseconds: float
    ratio: float


def measure_step(
    method: str, settings: UnsupervisedSettings, steps: int = 5, rounds: int = 3
) -> Step:
    """The two take turns.

    Args:
        method: a name of `METHODS`.
        settings: of it; images and clusters are made up, and weights are random.
        steps: batches a round.
        rounds: how often; one more before them is not counted.
    """
    people = 2 * settings.identities_per_batch
    by_number = {"eps": None, "rho": None, "kmeans": people, "min_samples": 2, "tracklets": False}
    changes = {
        "clustering": settings.clustering.model_copy(update=by_number),
        "steps": steps,
        "weights": "none",
    }
    chosen = settings.model_copy(update=changes)
    accelerator = make_accelerator(settings.precision)
    with tempfile.TemporaryDirectory() as folder:
        samples = made_up(Path(folder), people)
        made = kind(method).method(chosen, samples, 0, "")
        loop = Loop(made, chosen, 0, Path(folder), {}, accelerator)
        batch = settings.identities_per_batch * settings.images_per_identity
        images = torch.randn(batch, 3, settings.height, settings.width)
        bare = Bare(made, images.to(accelerator.device), people, accelerator)
        ours, theirs = [], []
        for number in range(1, rounds + 2):
            whole = timed(partial(loop.run_epoch, number))
            clustering = timed(partial(made.before_epoch, loop))
            ours.append(1000 * (whole - clustering) / steps)
            theirs.append(1000 * timed(partial(bare.learn, steps)) / steps)
    mine, least = statistics.median(ours[1:]), statistics.median(theirs[1:])
    precision = str(accelerator.mixed_precision).replace("no", "fp32")
    device = device_name(accelerator.device)
    return Step(method, device, precision, batch, mine, least, mine / least)
