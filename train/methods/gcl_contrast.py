"""GCL's contrastive module: a memory of all images, and clusters of what it holds.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 5.3.2.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from reid_models import InputSpec
from train.data import Sample
from train.loop import Batch
from train.loop.loop import Loop
from train.methods.gcl_settings import GclSettings
from train.methods.unsupervised import IntArray, Judge
from train.unsupervised.clustering import pseudo_labels
from train.unsupervised.copies import count_copies
from train.unsupervised.draws import ClusterDraws
from train.unsupervised.embed import WholeSet
from train.unsupervised.memory import Memory, draw_partners
from train.unsupervised.tracklets import Tracklets


class Compared(NamedTuple):
    """What the images of a batch are contrasted with.

    Attributes:
        positive: (N, D) row of another image of the cluster.
        memory: (M, D) all rows.
        negatives: (N, K) places in it of images of other clusters.
    """

    positive: Tensor
    memory: Tensor
    negatives: Tensor


class Contrast:
    """Clusters and memory of a training set.

    Args:
        settings: see ``gcl.yaml``.
        samples: the images, without labels.
        spec: of the network's input.
        dimension: of its embeddings.
        seed: of the batches.
        judge: from the clusters of the images to figures, which are reported and nothing else.

    Attributes:
        memory: the loop has to know it.
        draws: batches of the epoch's clusters.
        figures: of the epoch's clusters.
    """

    def __init__(
        self,
        settings: GclSettings,
        samples: Sequence[Sample],
        spec: InputSpec,
        dimension: int,
        seed: int,
        judge: Judge | None,
    ) -> None:
        self._settings, self._samples, self._spec, self._judge = settings, samples, spec, judge
        self._tracklets = Tracklets(samples) if settings.clustering.tracklets else None
        self.memory = Memory(len(samples), dimension, settings.momentum)
        self.draws = ClusterDraws(
            [sample.camera for sample in samples],
            settings.clustering,
            settings.identities_per_batch,
            settings.images_per_identity,
            settings.steps,
            seed,
        )
        self.figures: dict[str, Tensor] = {}
        self._labels = torch.empty(0, dtype=torch.int64)
        self._accelerator: Accelerator | None = None

    def begin(self, loop: Loop, network: nn.Module) -> None:
        """Call before each epoch: the memory is filled before the first one, and clustered.

        Raises:
            TrainError: there are too few clusters to learn from.
        """
        accelerator = self._accelerator = loop.accelerator
        if loop.epoch == 1:
            if accelerator.is_main_process:
                self._look_at_images()
            whole = WholeSet(self._samples, self._spec, self._settings.workers, accelerator)
            self.memory.fill(torch.from_numpy(whole.embed(network.eval(), loop.epoch)))
        labels = self._clusters(accelerator)
        note = self.draws.renew(labels, loop.epoch)
        if note and accelerator.is_main_process:
            print(note, file=sys.stderr, flush=True)
        self._labels = torch.from_numpy(labels)
        figures = {"clusters": float(labels.max() + 1), "clustered": float((labels >= 0).mean())}
        figures |= self._judge(labels) if self._judge else {}
        device = accelerator.device
        self.figures = {name: torch.tensor(v, device=device) for name, v in figures.items()}

    def compared(self, batch: Batch) -> Compared:
        """What the images of a batch are contrasted with, drawn at random."""
        rows = self.memory.rows
        partners = draw_partners(self._labels, batch.indices, self._settings.negatives)
        positive, negatives = (part.to(rows.device) for part in partners)
        return Compared(rows[positive], rows, negatives)

    def remember(self, batch: Batch, rows: Tensor) -> None:
        """Let the memory follow the embeddings (N, D) of a batch, of all processes."""
        assert self._accelerator is not None  # `begin` comes first
        places = batch.indices.to(rows.device)
        gathered = self._accelerator.gather((places, rows.detach().float().contiguous()))
        self.memory.follow(*gathered)

    def _clusters(self, accelerator: Accelerator) -> IntArray:
        """Found by the first process, for all."""
        found: list[IntArray | None] = [None]
        if accelerator.is_main_process:
            rows = torch.nn.functional.normalize(self.memory.rows).cpu().numpy()
            found = [pseudo_labels(rows, self._settings.clustering, self._tracklets)]
        broadcast_object_list(found)
        (labels,) = found
        assert labels is not None
        return np.asarray(labels, np.int64)

    def _look_at_images(self) -> None:
        copies = count_copies(self._samples)
        if copies:
            print(
                f"note: {copies} of the {len(self._samples)} images are copies of others; copies "
                "fill each other's neighbourhoods and form clusters of their own: delete them",
                file=sys.stderr,
                flush=True,
            )
