"""What the methods that learn without labels have in common: clusters stand in for people."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.data import Dataset

from reid_models import Description, InputSpec, build
from reid_models.networks.network import Network
from reid_models.preprocess import resize
from reid_models.pretrained import load_backbone
from train.data import Sample, read_image
from train.loop import Batch, Method, Source, Update
from train.loop.loop import Loop
from train.loop.optimizer import make_optimizer, make_rate
from train.loop.recompute import recompute_activations
from train.methods.steps import Steps
from train.methods.supervised import EncoderSettings
from train.unsupervised.clustering import ClusteringSettings, pseudo_labels
from train.unsupervised.copies import count_copies
from train.unsupervised.draws import ClusterDraws
from train.unsupervised.embed import WholeSet
from train.unsupervised.quality import cluster_quality
from train.unsupervised.teacher import Teacher
from train.unsupervised.tracklets import Tracklets

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Judge = Callable[[IntArray], dict[str, float]]

_SHOWN = 8  # clusters on a picture, and images of each


class ClusteredSettings(EncoderSettings):
    """The keys of every method without labels; the YAML files say what each means."""

    clustering: ClusteringSettings
    steps: int | None = Field(ge=1)
    pictures: int = Field(ge=0)

    @model_validator(mode="after")
    def _without_labels(self) -> Self:
        if self.validation is not None:
            raise ValueError("validation: without labels nobody can be held out; leave it null")
        return self

    @property
    def learns_from_labels(self) -> bool:
        """Whether the data's identities stand in for clusters, which only comparisons do."""
        return False


class UnsupervisedSettings(ClusteredSettings):
    """The keys of the methods with a teacher."""

    momentum: float = Field(ge=0, lt=1)
    momentum_ramp: bool

    @model_validator(mode="after")
    def _averaged_already(self) -> Self:
        if self.ema is not None:
            raise ValueError("ema: what is kept is an average already (momentum); leave it null")
        return self


class Unsupervised(Method):
    """A model and its teacher. Each epoch begins with a clustering of what the teacher sees in the
    images, and its batches are drawn from the clusters; images in none are not learnt from.

    Identities are thrown away before anything else is done: nothing of the target's labels can
    reach a weight, unless `UnsupervisedSettings.learns_from_labels`.

    Args:
        settings: see the YAML files.
        samples: to learn from.
        seed: of the batches; weights take torch's global generator.
        trained_on: for the encoder's description.
        judge: from the clusters of the images to figures, which are reported and nothing else.
    """

    def __init__(
        self,
        settings: UnsupervisedSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        judge: Judge | None = None,
    ) -> None:
        self.samples = [s._replace(identity=number) for number, s in enumerate(samples, start=1)]
        self._settings, self._judge = settings, judge
        self._tracklets = Tracklets(self.samples) if settings.clustering.tracklets else None
        spec = InputSpec(height=settings.height, width=settings.width)
        self.cameras = torch.tensor([sample.camera for sample in self.samples])
        self._draws = ClusterDraws(
            self.cameras.tolist(),
            settings.clustering,
            settings.identities_per_batch,
            settings.images_per_identity,
            settings.steps,
            seed,
        )
        self._source = Source(self.samples, self.views(spec), self._draws)
        network = build(settings.architecture, **settings.arguments)
        load_backbone(network, settings.weights)
        self.model = self.trained_model(network)
        self.teacher = Teacher(self.model, settings.momentum, settings.momentum_ramp)
        if settings.gradient_checkpointing:  # the loop sees to the teacher, which has no gradients
            recompute_activations(self.model)
        self.network = self.network_of(self.teacher.model)
        self.models = {"model": self.model, "teacher": self.teacher}
        rate = make_rate(settings, settings.epochs)
        self.updates = [Update([make_optimizer(self.model, settings)], self.step, rate)]
        self.description = Description(
            input=spec,
            dimension=network.dimension,
            architecture=settings.architecture,
            arguments=settings.arguments,
            flip=settings.flip,
            trained_on=trained_on,
        )
        self._accelerator: Accelerator | None = None
        self._whole: WholeSet | None = None
        self._labels = torch.empty(0, dtype=torch.int64)
        self._figures: dict[str, Tensor] = {}

    @abstractmethod
    def views(self, spec: InputSpec) -> Dataset[tuple[Tensor, int]]:
        """What a step sees of each image; the label that comes with it is not used."""

    def trained_model(self, network: Network) -> nn.Module:
        """What is trained, and what the teacher copies."""
        return network

    def network_of(self, model: nn.Module) -> nn.Module:
        """The network within a model such as `trained_model` gives."""
        return model

    @abstractmethod
    def begin(self, rows: FloatArray, labels: IntArray) -> None:
        """Called before an epoch, with the teacher's embeddings (N, D), of length 1, and the
        cluster of each image."""

    @abstractmethod
    def losses(self, images: Tensor, labels: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        """Of a batch: images as `views` gives them, clusters (N,) and cameras (N,)."""

    def cluster(self, rows: FloatArray, others: FloatArray | None) -> IntArray:
        """The cluster of each image, -1 for none."""
        return pseudo_labels(rows, self._settings.clustering, self._tracklets, others)

    def others(self, loop: Loop) -> FloatArray | None:
        """Embeddings of a source that take part in the clustering as neighbours."""
        return None

    def ask_teacher(self, *inputs: Any) -> Any:
        """What the teacher says, in the precision of the run; no gradient reaches it."""
        assert self._accelerator is not None  # `before_epoch` comes first
        with self._accelerator.autocast():
            return self.models["teacher"](*inputs)

    def source(self, epoch: int) -> Source:
        return self._source

    def step(self, batch: Batch) -> dict[str, Tensor]:
        device = batch.images.device
        labels, cameras = self._labels[batch.indices], self.cameras[batch.indices]
        return self.losses(batch.images, labels.to(device), cameras.to(device)) | self._figures

    def after_step(self) -> None:
        self.teacher.follow(self.model)

    def before_epoch(self, loop: Loop) -> None:
        accelerator = self._accelerator = loop.accelerator
        if self._whole is None:
            self._whole = self.whole_set(self.samples, accelerator)
            if accelerator.is_main_process:
                self._look_at_images()
        self.teacher.eval()
        broadcast(list(self.teacher.buffers()))  # each process has seen other batches
        rows, others = self._whole.embed(self.network, loop.epoch), self.others(loop)
        labels = self._clusters(rows, others, accelerator)
        note = self._draws.renew(labels, loop.epoch)
        if note and accelerator.is_main_process:
            print(note, file=sys.stderr, flush=True)
        self._labels = torch.from_numpy(labels)
        self.begin(rows, labels)
        figures = {"clusters": float(labels.max() + 1), "clustered": float((labels >= 0).mean())}
        figures |= self._judge(labels) if self._judge else {}
        device = accelerator.device
        self._figures = {name: torch.tensor(v, device=device) for name, v in figures.items()}

    def whole_set(self, samples: Sequence[Sample], accelerator: Accelerator) -> WholeSet:
        """Images to be embedded each epoch."""
        spec = self.description.input
        return WholeSet(samples, spec, self._settings.workers, accelerator)

    def pictures(self, epoch: int) -> dict[str, npt.NDArray[np.uint8]]:
        """The largest clusters, one a row."""
        every, last = self._settings.pictures, self._settings.epochs
        if not every or (epoch % every and epoch != last):
            return {}
        labels = self._labels.numpy()
        largest = np.argsort(-np.bincount(labels[labels >= 0]), kind="stable")[:_SHOWN]
        rows = [self._row(np.flatnonzero(labels == label)[:_SHOWN]) for label in largest]
        return {"clusters": np.concatenate(rows)}

    def _row(self, places: IntArray) -> npt.NDArray[np.uint8]:
        height, width = self._settings.height, self._settings.width
        row = np.full((height, _SHOWN * width, 3), 255, np.uint8)
        for column, place in enumerate(places):
            image = resize(read_image(self.samples[place].path), height, width)
            row[:, column * width : (column + 1) * width] = image
        return row

    def _clusters(
        self, rows: FloatArray, others: FloatArray | None, accelerator: Accelerator
    ) -> IntArray:
        """Found by the first process, for all."""
        found: list[IntArray | None] = [None]
        if accelerator.is_main_process:
            found = [self.cluster(rows, others)]
        broadcast_object_list(found)
        (labels,) = found
        assert labels is not None
        return labels

    def _look_at_images(self) -> None:
        copies = count_copies(self.samples)
        if copies:
            print(
                f"note: {copies} of the {len(self.samples)} images are copies of others; copies "
                "fill each other's neighbourhoods and form clusters of their own: delete them",
                file=sys.stderr,
                flush=True,
            )


def judged(method: type[Unsupervised]) -> Callable[[Steps], Callable[..., Unsupervised]]:
    """For `train.methods.Kind`: the method, whose clusters are compared with the data's own
    identities. The comparison is reported and nothing else; the method never sees them."""

    return lambda run: partial(method, judge=judge_of(run))


def judge_of(run: Steps) -> Judge:
    """Compares clusters with the data's own identities."""
    return partial(cluster_quality, [sample.identity for sample in run.samples])
