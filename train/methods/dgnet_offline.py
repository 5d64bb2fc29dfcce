"""DG-Net's features learned from a generator that is done: "offline generated" images.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (2019),
section 4.2: what of DG-Net's gain comes from the images, and what from learning both together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from reid_models.networks.dgnet import DGNet, Pair
from train.data import Sample
from train.errors import TrainError
from train.generation.generator import Codes, Generator
from train.loop import Batch, Update
from train.loop.optimizer import make_rate
from train.loop.recompute import statistics_kept
from train.methods.dgnet import DGNetMethod
from train.methods.dgnet_features import (
    Classifiers,
    DGNetFeatures,
    DGNetSettings,
    encoder_optimizers,
)
from train.methods.dgnet_generator import load_generator
from train.methods.supervised import accuracy


class Seen(NamedTuple):
    """Logits of N real images, N generated images, and the logits of these."""

    logits: Pair
    fed: Tensor
    fed_logits: Pair


class OfflineModel(Classifiers):
    """An encoder that learns, beside a generator that does not."""

    def __init__(self, network: DGNet, classes: int, generator: Generator) -> None:
        super().__init__(network, classes)
        self.network = network
        self.generator = generator.requires_grad_(False)

    def train(self, mode: bool = True) -> OfflineModel:
        super().train(mode)
        self.generator.eval()
        return self

    def forward(self, images: Tensor, changed: Tensor | None, partner: Tensor) -> Seen:
        """See `train.methods.dgnet.DGNetModel`; each partner wears an image's appearance."""
        with torch.no_grad():
            codes = self.generator.codes(images)
            fed = self.generator.generate(Codes(codes.appearance, codes.structure[partner]))
        seen = self.network.code(images if changed is None else changed)
        with statistics_kept(self.network):
            fed_logits = self.classify(self.network, self.network.code(fed))
        return Seen(self.classify(self.network, seen), fed, fed_logits)


class OfflineDGNetMethod(DGNetFeatures):
    """Identity loss on real images, and equations 8 and 9 on generated ones.

    Args and errors are those of `DGNetFeatures`; also a TrainError where ``generated_by`` has no
    generator for images of this size.
    """

    def __init__(
        self, settings: DGNetSettings, samples: Sequence[Sample], seed: int, trained_on: str
    ) -> None:
        super().__init__(settings, samples, seed, trained_on)
        run = Path(settings.generated_by or "")
        generator, spec = load_generator(run, "cpu")
        if (spec.height, spec.width) != (settings.height, settings.width):
            raise TrainError(
                f"generated_by={run}: makes images of {spec.height} x {spec.width} pixels; "
                f"set height={spec.height} and width={spec.width}"
            )
        model = OfflineModel(self.network, self._classes, generator)
        self.models["model"] = model
        optimizers = encoder_optimizers(self.network, model, settings)
        self.updates = [Update(optimizers, self.learn, make_rate(settings, settings.epochs))]

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Equations 3, 8 and 9."""
        s, labels = self._settings, batch.labels
        images, changed = batch.images[:, :3], batch.images[:, 3:]
        _, partner = self._pairs(len(images))
        seen: Seen = self.models["model"](images, changed if changed.shape[1] else None, partner)
        losses, taught = self._feed(seen.fed, seen.fed_logits, labels[partner])
        identity = self._identity_loss(seen.logits.primary, labels)
        identity = identity + self._identity_loss(seen.logits.fine, labels)
        loss = s.lambda_identity * identity + self._ramp() * taught
        self._done += 1
        share = accuracy(seen.logits.primary, labels)
        return {"loss": loss, "identity": identity, **losses, "accuracy": share}


def make_dgnet(
    settings: DGNetSettings, samples: Sequence[Sample], seed: int, trained_on: str
) -> DGNetFeatures:
    """Both together, or with ``generated_by`` the encoder alone."""
    kind: type[DGNetFeatures] = DGNetMethod if settings.generated_by is None else OfflineDGNetMethod
    return kind(settings, samples, seed, trained_on)
