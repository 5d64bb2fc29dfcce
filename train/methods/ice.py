"""ICE: learning without labels from clusters, hardest positives and unchanged images.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), chapter 6.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.utils.data import Dataset

from reid_models import InputSpec
from train.data import Augmentation, Sample
from train.losses import (
    CameraProxies,
    CameraProxyContrast,
    HardInstanceContrast,
    ProxyContrast,
    SoftInstanceConsistency,
)
from train.methods.unsupervised import (
    FloatArray,
    IntArray,
    Judge,
    Unsupervised,
    UnsupervisedSettings,
)
from train.unsupervised.clustering import cluster_means, settled
from train.unsupervised.views import Views

Weight = Annotated[float, Field(ge=0)]
Temperature = Annotated[float, Field(gt=0)]


class IceSettings(UnsupervisedSettings):
    """The keys of ``ice.yaml``, which says what each means."""

    tau_proxy: Temperature
    lambda_camera: Weight
    tau_camera: Temperature
    negatives: int = Field(ge=1)
    lambda_hard: Weight
    tau_hard: Temperature
    hardest_negative: bool
    lambda_soft: Weight
    tau_soft: Temperature
    reverse_soft: bool
    squared_soft: bool
    plain_target: bool
    supervised: bool

    @model_validator(mode="after")
    def _one_soft_loss(self) -> IceSettings:
        if self.reverse_soft and self.squared_soft:
            raise ValueError("reverse_soft, squared_soft: only one of the two can be true")
        return self

    @property
    def learns_from_labels(self) -> bool:
        return self.supervised


class IceMethod(Unsupervised):
    """Equation 6.3: proxy contrast, hard instance contrast and soft instance consistency.

    Clusters and proxies are of the momentum encoder at the beginning of the epoch; it is also
    what is kept. Where the images are of one camera, or the weight ``lambda_camera`` is 0, the
    proxies know of no cameras (the document's camera-agnostic memory). With ``supervised`` the
    data's identities take the place of the clusters (table 6.7, ICE with ground truth).
    """

    def __init__(
        self,
        settings: IceSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        judge: Judge | None = None,
    ) -> None:
        self._chosen = settings
        super().__init__(settings, samples, seed, trained_on, judge)
        if settings.supervised:
            people = np.array([sample.identity for sample in samples])
            self._truth = np.unique(people, return_inverse=True)[1]
        self._aware = settings.lambda_camera > 0 and len(set(self.cameras.tolist())) > 1
        if settings.lambda_camera and not self._aware:
            print(
                "note: these images are of one camera, so that none can be compared across "
                "cameras; going on without the cross-camera term (lambda_camera=0)",
                file=sys.stderr,
            )
        self._proxy_loss = ProxyContrast(settings.tau_proxy)
        self._camera_loss = CameraProxyContrast(settings.tau_camera, settings.negatives)
        self._hard_loss = HardInstanceContrast(settings.tau_hard, settings.hardest_negative)
        self._soft_loss = SoftInstanceConsistency(
            settings.tau_soft, settings.reverse_soft, settings.squared_soft
        )
        self._proxies = torch.empty(0)
        self._camera_proxies = CameraProxies(torch.empty(0), torch.empty(0), torch.empty(0))

    def views(self, spec: InputSpec) -> Dataset[tuple[Tensor, int]]:
        augmentation = self._chosen.augmentation
        return Views(self.samples, spec, [augmentation, augmentation, Augmentation()])

    def cluster(self, rows: FloatArray, others: FloatArray | None) -> IntArray:
        if self._chosen.supervised:
            return settled(self._truth, self._chosen.clustering.min_samples)
        return super().cluster(rows, others)

    def begin(self, rows: FloatArray, labels: IntArray) -> None:
        device = self.teacher.steps.device
        self._proxies = torch.from_numpy(cluster_means(rows, labels)).to(device)
        self._camera_proxies = CameraProxies(
            *(part.to(device) for part in camera_means(rows, labels, self.cameras.numpy()))
        )

    def losses(self, images: Tensor, labels: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        weights = self._chosen
        first, second, plain = images.chunk(3, dim=1)
        online = self.models["model"](first)
        proxy = self._proxy_loss(online, self._proxies, labels)
        found = {"loss": proxy, "proxy": proxy}
        if self._aware:
            camera = self._camera_loss(online, labels, cameras, self._camera_proxies)
            found |= {"loss": found["loss"] + weights.lambda_camera * camera, "camera": camera}
        if weights.lambda_hard or weights.lambda_soft:
            momentum = self.ask_teacher(second)
        if weights.lambda_hard:
            hard = self._hard_loss(online, momentum, labels)
            found |= {"loss": found["loss"] + weights.lambda_hard * hard, "hard": hard}
        if weights.lambda_soft:
            target = self.ask_teacher(plain) if weights.plain_target else momentum
            soft = self._soft_loss(online, momentum, target)
            found |= {"loss": found["loss"] + weights.lambda_soft * soft, "soft": soft}
        return found


def camera_means(rows: FloatArray, labels: IntArray, cameras: IntArray) -> CameraProxies:
    """The mean row of each cluster in each camera that saw it (equation 6.6)."""
    pairs = np.stack([labels, cameras], axis=1)
    kinds, group = np.unique(pairs[labels >= 0], axis=0, return_inverse=True)
    numbers = np.full(len(labels), -1, np.int64)
    numbers[labels >= 0] = group
    of_cluster, of_camera = (torch.from_numpy(column.copy()) for column in kinds.T)
    means = torch.from_numpy(cluster_means(rows, numbers))
    return CameraProxies(means, of_cluster, of_camera)
