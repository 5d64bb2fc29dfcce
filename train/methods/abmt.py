"""ABMT: a network of two unlike branches, each of which learns from the other's mean teacher.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), chapter 4. This is the
adaptation to images without labels; `train.methods.abmt_source` has the step before it, which the
fully unsupervised mode does without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from reid_models import InputSpec
from reid_models.networks.asymmetric import Asymmetric
from reid_models.networks.network import Network
from train.data import Crops, Sample
from train.errors import TrainError
from train.loop import Settings
from train.loop.loop import Loop
from train.losses import LabelSmoothedCrossEntropy, SoftCrossEntropy, SoftTripletLoss, metric_loss
from train.losses.metric import (
    CircleSettings,
    ContrastiveSettings,
    FIDISettings,
    TripletSettings,
)
from train.losses.similarity import unit_rows
from train.methods.abmt_source import Pretrained, SourceSettings, branched, pretrain
from train.methods.settings import dump_settings
from train.methods.steps import Steps
from train.methods.unsupervised import (
    FloatArray,
    IntArray,
    Judge,
    Unsupervised,
    UnsupervisedSettings,
    judge_of,
)
from train.unsupervised.clustering import cluster_means
from train.unsupervised.embed import WholeSet
from train.unsupervised.views import Views

Weight = Annotated[float, Field(ge=0)]


class SoftTripletSettings(Settings):
    """See `SoftTripletLoss`."""

    name: Literal["soft_triplet"]


BranchLoss = Annotated[
    SoftTripletSettings | TripletSettings | FIDISettings | ContrastiveSettings | CircleSettings,
    Field(discriminator="name"),
]


class AbmtSettings(UnsupervisedSettings):
    """The keys of ``abmt.yaml``, which says what each means."""

    source: str | None
    source_from: str | None
    pretraining: dict[str, Any]
    label_smoothing: float = Field(ge=0, lt=1)
    lambda_identity: Weight
    lambda_soft: Weight
    lambda_metric: Weight
    metric_loss: BranchLoss | None
    cross_branch: bool
    other_views: bool
    dropout: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _consistent(self) -> AbmtSettings:
        if self.source_from is not None and self.source is None:
            raise ValueError("source_from: name the source that it learnt from, too (source)")
        self.first_step()
        return self

    def first_step(self) -> SourceSettings:
        """Those of the source: these, changed by ``pretraining``."""
        mine = dump_settings(self)
        shared = {key: mine[key] for key in SourceSettings.model_fields}
        return SourceSettings.model_validate(shared | self.pretraining)


class BranchedModel(nn.Module):
    """A network with a classifier for each branch, whose classes are an epoch's clusters.

    Args:
        network: with branches.
        capacity: classes at most.
        dropout: share of each vector that the classifiers do not see in training.
    """

    def __init__(self, network: Asymmetric, capacity: int, dropout: float) -> None:
        super().__init__()
        self.network = network
        self._dropout = dropout
        self.parts = network.parts
        self.classifiers = nn.Parameter(
            torch.zeros(self.parts, capacity, network.dimension // self.parts)
        )

    def forward(self, images: Tensor, classes: int) -> tuple[Tensor, Tensor]:
        """Images (N, 3, H, W) to features (N, parts, D) and logits (N, parts, ``classes``)."""
        features = self.network.features(images)
        vectors = self.network.neck(features).reshape(len(images), self.parts, -1)
        vectors = F.dropout(vectors, self._dropout, self.training)
        logits = torch.einsum("npd,pcd->npc", vectors, self.classifiers[:, :classes])
        return features.reshape(len(images), self.parts, -1), logits

    @torch.no_grad()
    def renew(self, centroids: Tensor) -> None:
        """Begin with the classifiers (parts, C, D), as many as there are clusters now."""
        self.classifiers.zero_()
        self.classifiers[:, : centroids.shape[1]] = centroids.to(self.classifiers)


class AbmtMethod(Unsupervised):
    """Equation 4.8: cross entropy on clusters, and what each branch learns from the mean teacher's
    other branch by soft cross entropy and soft triplet loss.

    With more branches than two each is taught by the next one; a single one by its own teacher,
    which is the mean teacher baseline of figure 4.3 (a).

    Args:
        settings: see ``abmt.yaml``.
        samples: to learn from.
        seed: of the batches.
        trained_on: for the encoder's description.
        judge: see `Unsupervised`.
        pretrained: on a source; None in the fully unsupervised mode.
    """

    model: BranchedModel

    def __init__(
        self,
        settings: AbmtSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        judge: Judge | None = None,
        pretrained: Pretrained | None = None,
    ) -> None:
        self._chosen, self._pretrained = settings, pretrained
        super().__init__(settings, samples, seed, trained_on, judge)
        self._classes = 0
        self._source_set: WholeSet | None = None
        self._identity_loss = LabelSmoothedCrossEntropy(settings.label_smoothing)
        self._soft_loss, self._metric_loss = SoftCrossEntropy(), _branch_loss(settings.metric_loss)

    def views(self, spec: InputSpec) -> Dataset[tuple[Tensor, int]]:
        augmentation = self._chosen.augmentation
        if self._chosen.other_views:
            return Views(self.samples, spec, [augmentation, augmentation])
        return Crops(self.samples, spec, augmentation)

    def trained_model(self, network: Network) -> nn.Module:
        if self._pretrained is not None:
            _fill(network, self._pretrained.weights)
        capacity = len(self.samples) // self._chosen.clustering.min_samples
        return BranchedModel(branched(network), capacity, self._chosen.dropout)

    def network_of(self, model: nn.Module) -> nn.Module:
        assert isinstance(model, BranchedModel)
        return model.network

    def others(self, loop: Loop) -> FloatArray | None:
        if self._pretrained is None:
            return None
        if self._source_set is None:
            self._source_set = self.whole_set(self._pretrained.samples, loop.accelerator)
        return self._source_set.embed(self.network, loop.epoch)

    def begin(self, rows: FloatArray, labels: IntArray) -> None:
        means = torch.from_numpy(cluster_means(rows, labels))
        means = means.reshape(len(means), self.model.parts, -1)
        centroids = F.normalize(means, dim=2).transpose(0, 1)
        for model in (self.model, self.teacher.model):
            assert isinstance(model, BranchedModel)
            model.renew(centroids)
        self._classes = centroids.shape[1]
        for optimizer in self.updates[0].optimizers:  # nothing is known of the new classes yet
            optimizer.state.pop(self.model.classifiers, None)

    def losses(self, images: Tensor, labels: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        weights = self._chosen
        seen, teachers = images.chunk(2, dim=1) if weights.other_views else (images, images)
        features, logits = self.models["model"](seen, self._classes)
        taught, soft_labels = self.ask_teacher(teachers, self._classes)
        parts = range(features.shape[1])
        by = [(part + weights.cross_branch) % len(parts) for part in parts]
        identity = _total([self._identity_loss(logits[:, p], labels) for p in parts])
        soft = _total([self._soft_loss(logits[:, p], soft_labels[:, by[p]]) for p in parts])
        loss = weights.lambda_identity * identity + weights.lambda_soft * soft
        found = {"loss": loss, "identity": identity, "soft": soft}
        if self._metric_loss is not None:
            metric = _total([self._metric(features[:, p], taught[:, by[p]], labels) for p in parts])
            found |= {"loss": loss + weights.lambda_metric * metric, "metric": metric}
        return found | _distances(features.detach(), taught)

    def _metric(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor
        if isinstance(self._metric_loss, SoftTripletLoss):
            loss = self._metric_loss(student, teacher, labels)
        else:
            assert self._metric_loss is not None
            loss = self._metric_loss(student, labels)
        return loss


def abmt_after_source(run: Steps) -> Callable[..., AbmtMethod]:
    """The adaptation, which knows the source where there is one; errors as of `pretrain`."""
    settings = run.settings
    make = partial(AbmtMethod, judge=judge_of(run))
    if settings.source is None:
        return make
    done = Path(settings.source_from) if settings.source_from is not None else None
    return partial(make, pretrained=pretrain(run, settings.source, settings.first_step(), done))


def _branch_loss(settings: BranchLoss | None) -> nn.Module | None:
    if settings is None:
        return None
    return SoftTripletLoss() if isinstance(settings, SoftTripletSettings) else metric_loss(settings)


def _fill(network: Network, weights: dict[str, Tensor]) -> None:
    """Load weights of the source.

    Raises:
        TrainError: they are of another network, which ``source_from`` can name.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise TrainError(
            "source_from: that run trained a network of other architecture or arguments; give it "
            "the same ones, or set source_from=null"
        ) from None


def _total(losses: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def _distances(student: Tensor, teacher: Tensor) -> dict[str, Tensor]:
    """Figure 4.4, of features (N, parts, D) scaled to length 1: how far student and teacher are
    from each other, and the first two branches of the teacher."""
    student, teacher = (unit_rows(rows.flatten(0, 1)).view_as(rows) for rows in (student, teacher))
    found = {"to_teacher": (student - teacher).norm(dim=2).mean()}
    if teacher.shape[1] > 1:
        found["between_branches"] = (teacher[:, 0] - teacher[:, 1]).norm(dim=1).mean()
    return found
