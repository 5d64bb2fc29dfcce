"""The baseline: cross entropy through a BNNeck and a metric loss before it.

Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification" (2019);
with FIDI in the place of the triplet loss it is Yan et al., "Beyond Triplet Loss" (2022).
"""

from __future__ import annotations

from torch import Tensor

from train.loop import Batch
from train.methods.supervised import Supervised, SupervisedSettings, accuracy


class BaselineSettings(SupervisedSettings):
    """The keys of ``baseline.yaml``, which says what each means."""


class BaselineMethod(Supervised):
    """Loss = cross entropy + metric loss."""

    def step(self, batch: Batch) -> dict[str, Tensor]:
        features, logits = self.models["model"](batch.images)
        identity = self.identity_loss(logits[:, 0], batch.labels)
        losses = {"loss": identity, "identity": identity}
        if self.metric_loss is not None:
            metric = self.metric_loss(features, batch.labels)
            losses |= {"loss": identity + metric, "metric": metric}
        return losses | {"accuracy": accuracy(logits[:, 0], batch.labels)}
