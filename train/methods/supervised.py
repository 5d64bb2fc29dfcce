"""What the methods that learn from identities have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import PartialState
from pydantic import Field
from torch import Tensor, nn

from reid_models import Description, InputSpec, build
from reid_models.networks.network import Network
from reid_models.pretrained import load_backbone
from train.data import Augmentation, Crops, PKSampler, Sample
from train.errors import TrainError
from train.loop import Batch, LoopSettings, Method, OptimizerSettings, Source, Update
from train.loop.optimizer import make_optimizer, make_rate
from train.losses import LabelSmoothedCrossEntropy, MetricLoss, metric_loss


class EncoderSettings(LoopSettings, OptimizerSettings):
    """The keys that the YAML files of all methods share; the files say what each means."""

    architecture: str
    arguments: dict[str, Any]
    weights: str
    height: int = Field(ge=8)
    width: int = Field(ge=8)
    flip: bool
    augmentation: Augmentation
    identities_per_batch: int = Field(ge=2)
    images_per_identity: int = Field(ge=2)


class SupervisedSettings(EncoderSettings):
    """The keys of the methods with one loss of classification and one of distances."""

    label_smoothing: float = Field(ge=0, lt=1)
    metric_loss: MetricLoss | None


class IdentityModel(nn.Module):
    """A network with a classifier over the training identities for each vector of its embedding.

    Args:
        network: gives embeddings of ``parts`` vectors side by side.
        parts: how many.
        classes: identities.
    """

    def __init__(self, network: Network, parts: int, classes: int) -> None:
        super().__init__()
        self.network = network
        length = network.dimension // parts
        self.classifiers = nn.ModuleList(classifier(length, classes) for _ in range(parts))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, H, W) to features (N, D) and logits (N, parts, classes)."""
        features = self.network.features(images)
        vectors = self.network.neck(features).chunk(len(self.classifiers), dim=1)
        logits = [c(vector) for c, vector in zip(self.classifiers, vectors, strict=True)]
        return features, torch.stack(logits, dim=1)


def classifier(length: int, classes: int) -> nn.Linear:
    """Vectors (N, length) to logits (N, classes)."""
    layer = nn.Linear(length, classes, bias=False)
    nn.init.normal_(layer.weight, std=0.01)
    return layer


class Supervised(Method):
    """Batches of P identities with K images each, one model, one optimiser.

    Args:
        settings: see the YAML files.
        samples: to learn from.
        seed: of the batches; weights take torch's global generator.
        trained_on: for the encoder's description.
    """

    def __init__(
        self, settings: SupervisedSettings, samples: Sequence[Sample], seed: int, trained_on: str
    ) -> None:
        spec = InputSpec(height=settings.height, width=settings.width)
        crops = Crops(samples, spec, settings.augmentation)
        self._draws = PKSampler(
            crops.labels,
            crops.cameras,
            shared(settings.identities_per_batch),
            settings.images_per_identity,
            seed,
        )
        self._source = Source(samples, crops, self._draws)
        self.network = build(settings.architecture, **settings.arguments)
        load_backbone(self.network, settings.weights)
        model = self.identity_model(self.network, crops.classes)
        self.models = {"model": model}
        self.updates = [
            Update(
                [make_optimizer(model, settings)], self.step, make_rate(settings, settings.epochs)
            )
        ]
        self.description = Description(
            input=spec,
            dimension=self.network.dimension,
            architecture=settings.architecture,
            arguments=settings.arguments,
            flip=settings.flip,
            trained_on=trained_on,
        )
        self.identity_loss = LabelSmoothedCrossEntropy(settings.label_smoothing)
        self.metric_loss = metric_loss(settings.metric_loss) if settings.metric_loss else None

    def source(self, epoch: int) -> Source:
        self._draws.epoch = epoch
        return self._source

    @staticmethod
    def parts(network: Network) -> int:
        """Vectors of the embedding that have a classifier of their own."""
        return 1

    def identity_model(self, network: Network, classes: int) -> IdentityModel:
        """What is trained; called before anything of the instance exists but ``network``."""
        return IdentityModel(network, self.parts(network), classes)

    @abstractmethod
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of a batch."""


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of (N, classes) whose greatest is the label's."""
    return (logits.argmax(dim=1) == labels).float().mean()


def shared(identities: int) -> int:
    """Of a batch over all processes; each must get whole identities."""
    processes = PartialState().num_processes
    if identities % processes or identities // processes < 2:
        raise TrainError(
            f"identities_per_batch={identities} cannot be shared by {processes} processes: "
            f"it must be a multiple of {processes}, at least {2 * processes}"
        )
    return identities
