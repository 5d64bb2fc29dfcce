"""Batches of an epoch's clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from accelerate import PartialState

from train.data import Draw, PKSampler
from train.errors import TrainError
from train.unsupervised.clustering import OUTLIER, ClusteringSettings

IntArray = npt.NDArray[np.int64]

_FEW = 0.5  # share of images in a cluster below which it is said


class ClusterDraws:
    """The batches of a `PKSampler` over the images that are in a cluster.

    Args:
        cameras: of all images.
        clustering: how the clusters were found, for messages.
        identities: clusters in a batch of all processes; fewer where there are no more.
        images: of each.
        steps: batches of an epoch; None for all clustered images once.
        seed: of the batches.
    """

    def __init__(
        self,
        cameras: Sequence[int],
        clustering: ClusteringSettings,
        identities: int,
        images: int,
        steps: int | None,
        seed: int,
    ) -> None:
        self._cameras, self._clustering, self._seed = cameras, clustering, seed
        self._identities, self._images, self._steps = identities, images, steps
        self._places: list[int] = []
        self._sampler: PKSampler | None = None

    def renew(self, labels: IntArray, epoch: int) -> str:
        """Take the clusters of an epoch; gives what is to be said of them, if anything.

        Raises:
            TrainError: there are too few clusters to learn from.
        """
        self._places = np.flatnonzero(labels != OUTLIER).tolist()
        clusters = int(labels.max(initial=OUTLIER)) + 1
        _check(clusters, labels, self._clustering, epoch)
        processes = PartialState().num_processes
        possible = min(self._identities, clusters)
        chosen = possible // processes * processes
        if chosen < 2 * processes:
            raise TrainError(
                f"epoch {epoch}: a batch of {possible} clusters cannot be shared by {processes} "
                "processes, which need two each; use fewer processes"
            )
        self._sampler = PKSampler(
            labels[self._places].tolist(),
            [self._cameras[place] for place in self._places],
            chosen,
            self._images,
            self._seed,
            self._steps,
        )
        self._sampler.epoch = epoch
        return "\n".join(_notes(labels, chosen, self._identities, self._clustering, epoch))

    def __len__(self) -> int:
        assert self._sampler is not None  # `renew` comes first
        return len(self._sampler)

    def __iter__(self) -> Iterator[list[Draw]]:
        assert self._sampler is not None
        for batch in self._sampler:
            yield [draw._replace(image=self._places[draw.image]) for draw in batch]


def _notes(
    labels: IntArray, chosen: int, wanted: int, settings: ClusteringSettings, epoch: int
) -> Iterator[str]:
    """What is to be said of clusters from which ``chosen`` of the ``wanted`` are in a batch."""
    clusters, clustered = labels.max() + 1, (labels != OUTLIER).sum()
    if chosen < wanted:
        yield (
            f"epoch {epoch}: {clusters} clusters, so that a batch has {chosen} of them in place of "
            f"{wanted}; if people are thrown together, {settings.to_part_more}"
        )
    if clustered < _FEW * len(labels):
        yield (
            f"epoch {epoch}: {len(labels) - clustered} of the {len(labels)} images are in no "
            f"cluster and are not learnt from; if they show people, {settings.to_join_more} or "
            "give more images of each; if they show none, take them out"
        )


def _check(clusters: int, labels: IntArray, settings: ClusteringSettings, epoch: int) -> None:
    if clusters == 0:
        raise TrainError(
            f"epoch {epoch}: none of the {len(labels)} images has enough neighbours for a cluster; "
            f"{settings.to_join_more}, lower clustering.min_samples (now {settings.min_samples}), "
            "give more images of each person, or start from an encoder that can tell people apart "
            "(weights=FILE)"
        )
    if clusters == 1:
        raise TrainError(
            f"epoch {epoch}: all {(labels >= 0).sum()} images that are in a cluster are in the "
            "same, so that there is nobody to tell apart; give images of more people, or "
            f"{settings.to_part_more}"
        )
