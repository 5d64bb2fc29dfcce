"""SLSR: learning from images that were generated for each cluster, with sparse labels.

Ainam et al., "Sparse Label Smoothing for Semi-supervised Person Re-Identification"; equations
are that paper's. This is the third step; `train.methods.slsr_steps` has the first two.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from accelerate import PartialState
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from reid_models.networks.network import Network
from train.data import Crops, Draw, PKSampler, Sample
from train.generation.dcgan import DCGANSettings
from train.loop import Batch, Source
from train.methods.baseline import BaselineSettings
from train.methods.settings import dump_settings
from train.methods.supervised import IdentityModel, Supervised, SupervisedSettings, accuracy

Labels = Literal["sparse", "uniform"]
NoiseLayer = Literal["feature", "logits", "none"]


class SlsrSettings(SupervisedSettings):
    """The keys of ``slsr.yaml``, which says what each means."""

    features: dict[str, Any]
    clusters: int = Field(ge=1)
    dcgan: DCGANSettings
    generated: int = Field(ge=0)
    images_from: str | None
    generated_labels: Labels
    noise_layer: NoiseLayer

    @model_validator(mode="after")
    def _consistent(self) -> SlsrSettings:
        if self.validation is not None:
            raise ValueError("validation: clusters and DCGANs would have seen the held-out people")
        if 0 < self.generated < self.clusters:
            raise ValueError("generated: must be 0, or at least one image for each cluster")
        self.first_step()
        return self

    def first_step(self) -> BaselineSettings:
        """Those of the first CNN: the baseline's, changed by ``features``."""
        mine = dump_settings(self)
        shared = {key: mine[key] for key in BaselineSettings.model_fields}
        return BaselineSettings.model_validate(shared | self.features)


class Generated(NamedTuple):
    """Images that were generated, and what is known of them.

    Attributes:
        samples: their identities are the numbers of their clusters, from 1.
        identities: of the real images of each cluster.
    """

    samples: list[Sample]
    identities: list[set[int]]


class NoisyIdentityModel(IdentityModel):
    """With a linear layer that learns how far labels are to be trusted: the noise layer.

    It begins as if it were not there, and is no part of the encoder (section 4.3).

    Args:
        network: gives embeddings (N, D).
        classes: identities.
        noise_layer: ``feature``, D to D before the classifier; ``logits``, classes to classes
            behind it; ``none``.
    """

    def __init__(self, network: Network, classes: int, noise_layer: NoiseLayer) -> None:
        super().__init__(network, 1, classes)
        noise: dict[NoiseLayer, tuple[int, int]] = {
            "feature": (network.dimension, 0),
            "logits": (0, classes),
            "none": (0, 0),
        }
        before, behind = noise[noise_layer]
        self.before, self.behind = _unchanging(before), _unchanging(behind)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(images)
        vectors = self.before(self.network.neck(features))
        return features, self.behind(self.classifiers[0](vectors))[:, None]


def _unchanging(length: int) -> nn.Module:
    """A linear layer that begins as the identity; of length 0 one that stays it."""
    if not length:
        return nn.Identity()
    layer = nn.Linear(length, length)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class SlsrMethod(Supervised):
    """Equation 13: cross entropy of real images, and of generated ones with a label of their own.

    A batch has ``identities_per_batch`` x ``images_per_identity`` real images and so many
    generated ones that an epoch has about all of both. A metric loss, where there is one, is of
    the real ones alone.

    Args:
        settings: see ``slsr.yaml``.
        samples: real images.
        seed: of the batches.
        trained_on: for the encoder's description.
        generated: from the first two steps; None without.
    """

    def __init__(
        self,
        settings: SlsrSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        generated: Generated | None = None,
    ) -> None:
        self._noise_layer = settings.noise_layer
        super().__init__(settings, samples, seed, trained_on)
        people = sorted({sample.identity for sample in samples})
        self._people = len(people)
        self._targets = target_rows(
            people,
            generated.identities if generated else [],
            settings.generated_labels,
            settings.label_smoothing,
        )
        if generated is not None:
            self._source = self._with(generated, settings, seed)

    def identity_model(self, network: Network, classes: int) -> IdentityModel:
        return NoisyIdentityModel(network, classes, self._noise_layer)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        features, logits = self.models["model"](batch.images)
        logits = logits[:, 0].float()
        self._targets = self._targets.to(logits.device)
        surprise = -(self._targets[batch.labels] * F.log_softmax(logits, dim=1)).sum(dim=1)
        is_real = batch.labels < self._people
        losses = {"loss": surprise.mean(), "identity": surprise[is_real].mean()}
        if len(self._targets) > self._people:
            losses["generated"] = surprise[~is_real].mean()
        if self.metric_loss is not None:
            metric = self.metric_loss(features[is_real], batch.labels[is_real])
            losses |= {"loss": losses["loss"] + metric, "metric": metric}
        return losses | {"accuracy": accuracy(logits[is_real], batch.labels[is_real])}

    def _with(self, generated: Generated, settings: SlsrSettings, seed: int) -> Source:
        real = self._source
        spec = self.description.input
        crops = Crops(generated.samples, spec, settings.augmentation)
        size = settings.identities_per_batch * settings.images_per_identity
        share = len(generated.samples) / len(real.samples)
        return Source(
            [*real.samples, *generated.samples],
            _Both(real.images, crops, len(real.samples), self._people),
            _Mixed(self._draws, len(real.samples), len(crops), size * share, seed),
        )


def target_rows(
    people: Sequence[int], clusters: Sequence[set[int]], labels: Labels, smoothing: float
) -> Tensor:
    """What is to be predicted, (K + clusters, K) with rows of sum 1.

    First of each identity: 1 - ``smoothing`` for itself and ``smoothing`` / K for every one,
    which is label smoothing (LSR; equation 8 as it is commonly defined). Then of the images
    generated for each cluster: ``sparse`` is the same share for each identity that occurs in the
    cluster (SLSR, equation 10), ``uniform`` for each of all (LSRO).

    Args:
        people: the K identities, in the order of their labels.
        clusters: the identities of each.
        labels: of generated images.
        smoothing: in [0, 1).
    """
    rows = (1 - smoothing) * torch.eye(len(people)) + smoothing / len(people)
    of_clusters = [
        [float(labels == "uniform" or identity in cluster) for identity in people]
        for cluster in clusters
    ]
    if not clusters:
        return rows
    generated = torch.tensor(of_clusters)
    return torch.cat([rows, generated / generated.sum(dim=1, keepdim=True)])


class _Both(Dataset[tuple[Tensor, int]]):
    """Real images, then generated ones, whose labels follow those of the people."""

    def __init__(
        self, real: Dataset[tuple[Tensor, int]], generated: Crops, images: int, people: int
    ) -> None:
        self._real, self._generated, self._images, self._people = real, generated, images, people

    def __getitem__(self, draw: Any) -> tuple[Tensor, int]:
        if draw.image < self._images:
            return self._real[draw]
        image, cluster = self._generated[Draw(draw.image - self._images, draw.seed)]
        return image, self._people + cluster


class _Mixed:
    """The batches of a `PKSampler`, each with generated images besides.

    Each process gets its part of both. The generated ones are drawn without replacement until
    all have been seen, anew in each epoch.
    """

    def __init__(
        self, real: PKSampler, images: int, generated: int, share: float, seed: int
    ) -> None:
        self._real, self._images, self._generated, self._seed = real, images, generated, seed
        self._processes = PartialState().num_processes
        self._each = max(1, round(share / self._processes))

    def __len__(self) -> int:
        return len(self._real)

    def __iter__(self) -> Iterator[list[Draw]]:
        rng = random.Random(f"generated/{self._seed}/{self._real.epoch}")  # noqa: S311
        waiting: list[int] = []
        for batch in self._real:
            size = len(batch) // self._processes
            mixed: list[Draw] = []
            for process in range(self._processes):
                mixed += batch[process * size : (process + 1) * size]
                for _ in range(self._each):
                    if not waiting:
                        waiting = rng.sample(range(self._generated), self._generated)
                    mixed.append(Draw(self._images + waiting.pop(), rng.getrandbits(63)))
            yield mixed
