"""What tracklets say about who is who, without anybody's label.

The images of one tracklet show one person; two tracklets that overlap in time in one camera show
two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from train.data import Sample
from train.errors import TrainError

IntArray = npt.NDArray[np.int64]


class Tracklets:
    """The tracklets of a data set's images, and which of them cannot be of one person.

    Args:
        samples: the images.

    Attributes:
        of: (N,) number of each image's tracklet, from 0.
        apart: pairs of tracklets that overlap in time in one camera, the smaller number first.

    Raises:
        TrainError: the data do not name the tracklets or the times of all images.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        if any(sample.tracklet is None or sample.time is None for sample in samples):
            raise TrainError(
                "clustering.tracklets: these data do not say of which tracklet and time each "
                "image is (the export of a site's own crops does); set clustering.tracklets=false"
            )
        numbers: dict[tuple[int, int | None], int] = {}
        self.of: IntArray = np.array(
            [numbers.setdefault((s.camera, s.tracklet), len(numbers)) for s in samples], np.int64
        )
        spans: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
        times = np.array([sample.time for sample in samples], float)
        for (camera, _), number in numbers.items():
            own = times[self.of == number]
            spans[camera].append((own.min(), own.max(), number))
        self.apart = {pair for camera in spans.values() for pair in _overlapping(camera)}

    def constrain(self, distances: sparse.csr_array) -> sparse.csr_array:
        """Sparse distances (N, N) with 0 within a tracklet, and 1 (nothing) between two that
        cannot be of one person."""
        size = len(self.of)
        members = sparse.csr_array(
            (np.ones(size, bool), (np.arange(size), self.of)), (size, self.of.max() + 1)
        )
        kept = distances.tocoo()
        low = np.minimum(self.of[kept.row], self.of[kept.col])
        high = np.maximum(self.of[kept.row], self.of[kept.col])
        codes = np.array([a * size + b for a, b in self.apart], np.int64)
        free = (low != high) & ~np.isin(low * size + high, codes)
        same = (members @ members.T).tocoo()
        rows = np.concatenate([kept.row[free], same.row])
        columns = np.concatenate([kept.col[free], same.col])
        values = np.concatenate([kept.data[free], np.zeros(same.nnz, kept.data.dtype)])
        return sparse.csr_array((values, (rows, columns)), distances.shape)

    def repair(self, labels: IntArray) -> IntArray:
        """Labels (N,), -1 for none, that keep to the tracklets: a chain of neighbours may have
        joined what cannot be one person.

        A tracklet takes the label that most of its images have, the smallest of several. Of a
        cluster's tracklets those with most images stay, the first of several, and those that
        cannot be of one person with one that stays have no cluster.
        """
        votes: list[IntArray] = [labels[self.of == number] for number in range(self.of.max() + 1)]
        clusters: dict[int, list[int]] = defaultdict(list)
        for number, own in enumerate(votes):
            if (own >= 0).any():
                clusters[int(np.bincount(own[own >= 0]).argmax())].append(number)
        result = np.full(len(labels), -1, np.int64)
        for label, numbers in clusters.items():
            stay: list[int] = []
            for number in sorted(numbers, key=lambda n: (-len(votes[n]), n)):
                if not any((min(n, number), max(n, number)) in self.apart for n in stay):
                    stay.append(number)
            result[np.isin(self.of, stay)] = label
        return result


def _overlapping(spans: Sequence[tuple[float, float, int]]) -> list[tuple[int, int]]:
    """Pairs of numbers whose spans (start, end, number), both ends included, share a moment."""
    found, running = [], list[tuple[float, int]]()
    for start, end, number in sorted(spans):
        running = [(until, other) for until, other in running if until >= start]
        found += [(min(number, other), max(number, other)) for _, other in running]
        running.append((end, number))
    return found
