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
        """Sparse distances (N, N): 0 within a tracklet, 1 (nothing) between two that cannot be of
        one person, and else the mean over all pairs of images of the two.

        With the distances of single images instead, one pair of images that look alike would join
        all of two tracklets, and by chains of such pairs soon everybody.
        """
        size, count = len(self.of), int(self.of.max()) + 1
        members = sparse.csr_array(
            (np.ones(size, distances.dtype), (np.arange(size), self.of)), (size, count)
        )
        alike = distances.copy()
        alike.data = 1 - alike.data
        sums = (members.T @ alike @ members).tocoo()
        low, high = np.minimum(sums.row, sums.col), np.maximum(sums.row, sums.col)
        codes = np.array([a * count + b for a, b in self.apart], np.int64)
        free = (low != high) & ~np.isin(low.astype(np.int64) * count + high, codes)
        images = np.bincount(self.of)
        pairs = images[sums.row[free]] * images[sums.col[free]]
        same = np.arange(count)
        values = np.concatenate([sums.data[free] / pairs, np.ones(count)]).astype(distances.dtype)
        places = (np.append(sums.row[free], same), np.append(sums.col[free], same))
        means = sparse.csr_array((values, places), (count, count))
        result = (members @ means @ members.T).tocsr()
        result.data = np.maximum(1 - result.data, 0)
        return result

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
