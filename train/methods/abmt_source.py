"""ABMT's first step: the asymmetric branches learn from a labelled source.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 4.3.3. It lies in
``RUN/steps/source``, a run of its own with a checkpoint after each epoch and, in the end, the
encoder that the adaptation starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from reid_models import save_encoder
from reid_models.networks.asymmetric import Asymmetric
from reid_models.networks.network import Network
from reid_models.weights import read_encoder
from train.data import Sample, open_data
from train.errors import TrainError
from train.loop import Batch
from train.loop.validation import with_weights
from train.methods.steps import Steps, fitted
from train.methods.supervised import Supervised, SupervisedSettings, accuracy

SOURCE_ENCODER = Path("steps/source/encoder.safetensors")  # in the folder of the run


class SourceSettings(SupervisedSettings):
    """Those of the run, changed by ``pretraining``."""

    lambda_identity: float = Field(ge=0)
    lambda_metric: float = Field(ge=0)


class SourceMethod(Supervised):
    """Equation 4.1: the same two losses for each branch, with weights of their own."""

    def __init__(
        self, settings: SourceSettings, samples: Sequence[Sample], seed: int, trained_on: str
    ) -> None:
        self._weights = settings
        super().__init__(settings, samples, seed, trained_on)

    @staticmethod
    def parts(network: Network) -> int:
        return branched(network).parts

    def step(self, batch: Batch) -> dict[str, Tensor]:
        features, logits = self.models["model"](batch.images)
        parts = logits.shape[1]
        identity = parts * self.identity_loss(
            logits.flatten(0, 1), batch.labels.repeat_interleave(parts)
        )
        losses = {"loss": self._weights.lambda_identity * identity, "identity": identity}
        if self.metric_loss is not None:
            vectors = features.chunk(parts, dim=1)
            metric = torch.stack([self.metric_loss(v, batch.labels) for v in vectors]).sum()
            weighted = self._weights.lambda_metric * metric
            losses |= {"loss": losses["loss"] + weighted, "metric": metric}
        return losses | {"accuracy": accuracy(logits[:, 0], batch.labels)}


class Pretrained(NamedTuple):
    """What the adaptation takes from the source.

    Attributes:
        samples: its images.
        weights: of the network that learnt from them.
    """

    samples: Sequence[Sample]
    weights: dict[str, Tensor]


def pretrain(
    run: Steps, name: str, settings: SourceSettings, done: Path | None = None
) -> Pretrained:
    """Do what is left of the step.

    Args:
        run: what all steps are told.
        name: of the source, as for ``--data``.
        settings: of the step.
        done: a run of abmt whose step is taken instead.

    Raises:
        TrainError: the source cannot be opened or learnt from, or the run was begun with other
            settings or another source.
        EncoderError: ``done`` holds no encoder of the source.
    """
    source = open_data(name)
    if done is not None:
        learnt, _ = read_encoder(done / SOURCE_ENCODER)
        return Pretrained(source.train, learnt.state_dict())
    run.begin()
    run.say(f"step 1 of 2: {len(source.train)} labelled images of {source.name}")
    own = replace(run, identity=run.identity | {"source": source.fingerprint()})
    people = len({sample.identity for sample in source.train})
    trained_on = f"{source.name}, {people} identities, seed {run.seed}"
    make = partial(SourceMethod, settings, source.train, run.seed, trained_on)
    file = run.out / SOURCE_ENCODER
    method, weights = fitted(own, make, settings, file.parent)
    copies = {key: value.detach().cpu().clone() for key, value in weights.items()}
    network = with_weights(method.description, copies)
    run.first(file, lambda: save_encoder(file, network, method.description))
    run.say(f"step 2 of 2: adaptation to {len(run.samples)} images without labels")
    return Pretrained(source.train, copies)


def branched(network: nn.Module) -> Asymmetric:
    """The network, whose branches can teach each other.

    Raises:
        TrainError: it has none.
    """
    if not isinstance(network, Asymmetric):
        raise TrainError(
            "the method abmt trains the architecture asymmetric; "
            "set arguments.backbone instead of architecture"
        )
    return network
