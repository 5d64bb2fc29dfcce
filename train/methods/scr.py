"""SCR: H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), chapter 3."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from reid_models.networks.network import Network
from reid_models.networks.scr import SCR
from train.data import Sample
from train.errors import TrainError
from train.loop import Batch
from train.methods.supervised import Supervised, SupervisedSettings, accuracy


class ScrSettings(SupervisedSettings):
    """The keys of ``scr.yaml``, which says what each means."""

    lambda_: float = Field(ge=0, alias="lambda")


class ScrMethod(Supervised):
    """Equation 3.3: loss = lambda x mean of all cross entropies + mean of the metric losses.

    Each vector of the network has a classifier; the metric loss works on the global ones only.
    """

    def __init__(
        self, settings: ScrSettings, samples: Sequence[Sample], seed: int, trained_on: str
    ) -> None:
        super().__init__(settings, samples, seed, trained_on)
        self._lambda = settings.lambda_
        self._globals = _partitioned(self.network).globals_

    @staticmethod
    def parts(network: Network) -> int:
        return _partitioned(network).parts

    def step(self, batch: Batch) -> dict[str, Tensor]:
        features, logits = self.models["model"](batch.images)
        parts = logits.shape[1]
        # The mean over all vectors and images is the mean of the vectors' means.
        identity = self.identity_loss(logits.flatten(0, 1), batch.labels.repeat_interleave(parts))
        losses = {"loss": self._lambda * identity, "identity": identity}
        if self.metric_loss is not None:
            whole = features.chunk(parts, dim=1)[: self._globals]
            metric = torch.stack([self.metric_loss(v, batch.labels) for v in whole]).mean()
            losses |= {"loss": losses["loss"] + metric, "metric": metric}
        return losses | {"accuracy": accuracy(logits[:, 0], batch.labels)}


def _partitioned(network: nn.Module) -> SCR:
    if not isinstance(network, SCR):
        raise TrainError(
            "the method scr trains the architecture scr; "
            "set arguments.backbone instead of architecture, or use the method baseline"
        )
    return network
