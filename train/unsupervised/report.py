"""A run without labels as one HTML page: its clusters over the epochs, a map of the images, and
examples.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), figures 4.4, 6.6 and 6.9.
Identities, where there are any, are compared with the clusters here and taught to nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reid_models import Encoder
from reid_models.distances import normalise
from train.data import Sample, read_image
from train.data.dataset import identities
from train.evaluation import embed_data
from train.evaluation.charts import Chart, epochs_chart
from train.evaluation.html import write_html
from train.evaluation.lists import data_uri
from train.unsupervised.clustering import OUTLIER, ClusteringSettings, pseudo_labels
from train.unsupervised.quality import cluster_quality
from train.unsupervised.tracklets import Tracklets

REPORT = "report.html"
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

_POINTS = 1500  # images on a map
_SIDE = 520.0  # of a map, pixels
_EXAMPLES, _IMAGES = 4, 10  # clusters of each kind, and images of each
_GOLDEN = 137.508  # degrees between the hues of two numbers that follow each other


class Point(NamedTuple):
    """An image on a map, in pixels."""

    x: float
    y: float
    colour: str


class Scatter(NamedTuple):
    """A map."""

    title: str
    points: list[Point]
    size: float = _SIDE


class Picture(NamedTuple):
    """An image of a cluster; ``kind`` is right, wrong, junk or map, as on the other pages."""

    source: str
    kind: str
    text: str


class Example(NamedTuple):
    """A cluster."""

    title: str
    pictures: list[Picture]


def write_report(
    file: Path,
    record: Mapping[str, Any],
    encoder: Encoder,
    samples: Sequence[Sample],
    clustering: ClusteringSettings,
) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        file: where to.
        record: of the run, as in ``run.json``.
        encoder: that the run made.
        samples: the images that it learnt from.
        clustering: as in the run; a source's images take no part here.

    Raises:
        TrainError: the page cannot be written, or an image cannot be read.
    """
    rows = normalise(embed_data(encoder, samples).embeddings)
    tracklets = Tracklets(samples) if clustering.tracklets else None
    labels = pseudo_labels(rows, clustering, tracklets)
    truth = np.array([sample.identity for sample in samples], np.int64)
    people = len(identities(samples))
    quality = cluster_quality(truth.tolist(), labels)
    chosen = _chosen(len(rows))
    places = tsne(rows[chosen])
    scatters = [_scatter("Clusters", places, labels[chosen])]
    if people:
        scatters.append(_scatter("People", places, np.where(truth > 0, truth, OUTLIER)[chosen]))
    write_html(
        file,
        "clusters.html.j2",
        figures={
            "data": record["data"],
            "method": record["method"],
            "images": len(samples),
            "people": people or "unknown",
            "clusters at the end": int(labels.max(initial=OUTLIER)) + 1,
            "images in one": int((labels >= 0).sum()),
            **{name: f"{value:.3f}" for name, value in quality.items()},
        },
        charts=charts(record["epochs"], people),
        images=len(samples),
        shown=len(chosen),
        scatters=scatters,
        known=people > 0,
        examples=_examples(samples, labels, truth),
    )


def charts(epochs: Sequence[Mapping[str, Any]], people: int) -> list[Chart]:
    """Curves of the figures that the epochs have; ``people`` is 0 where nobody knows how many."""
    curves = {
        name: [float(epoch["losses"][name]) for epoch in epochs] for name in epochs[0]["losses"]
    }
    clusters = {"clusters": curves["clusters"]}
    if people:
        clusters["people"] = [float(people)] * len(epochs)
    found = [
        epochs_chart("Clusters, and people where their number is known", clusters, shares=False),
        epochs_chart(
            "Share of the images that are in a cluster",
            {"clustered": curves["clustered"]},
            shares=True,
        ),
    ]
    for title, names in (
        ("Agreement of clusters and people", ("purity", "nmi")),
        ("Pairs of a cluster and of a person", ("pair_precision", "pair_recall")),
    ):
        if names[0] in curves:
            found.append(epochs_chart(title, {n: curves[n] for n in names}, shares=True))
    distances = {n: curves[n] for n in ("to_teacher", "between_branches") if n in curves}
    if distances:
        title = "Euclidean distance of student and teacher, and of the teacher's branches"
        found.append(epochs_chart(title, distances, shares=False))
    return found


def tsne(rows: FloatArray) -> FloatArray:
    """Places (N, 2) on a map, in pixels of its side; the same each time.

    Args:
        rows: (N, D), at least 4.
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(rows) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="random", random_state=0).fit_transform(rows)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = 0.02 * _SIDE
    share = (places - low) / np.maximum(high - low, 1e-9)
    return np.asarray(margin + share * (_SIDE - 2 * margin))


def _chosen(count: int) -> IntArray:
    """Images to be shown, in their order."""
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(count, min(count, _POINTS), replace=False))


def _scatter(title: str, places: FloatArray, numbers: IntArray) -> Scatter:
    points = [
        Point(round(float(x), 1), round(float(y), 1), _colour(int(number)))
        for (x, y), number in zip(places, numbers, strict=True)
    ]
    return Scatter(title, points)


def _colour(number: int) -> str:
    if number == OUTLIER:
        return "#8886"
    hue = number * _GOLDEN % 360
    return f"hsl({hue:.0f} {60 + 13 * (number % 4)}% {40 + 7 * (number % 3)}%)"


def _examples(samples: Sequence[Sample], labels: IntArray, truth: IntArray) -> list[Example]:
    """The largest clusters; where people are known the most mixed ones, else the smallest."""
    sizes = np.bincount(labels[labels >= 0])
    mixed = np.array([_others(truth[labels == number]) for number in range(len(sizes))], np.int64)
    largest = np.argsort(-sizes, kind="stable")[:_EXAMPLES].tolist()
    second = np.argsort(-mixed if mixed.any() else sizes, kind="stable")[:_EXAMPLES].tolist()
    chosen = dict.fromkeys([*largest, *second])
    return [_example(number, samples, labels, truth) for number in chosen]


def _others(people: IntArray) -> int:
    """How many of the known are not of the person who is there most often."""
    counts = Counter(people[people > 0].tolist())
    return sum(counts.values()) - max(counts.values(), default=0)


def _example(number: int, samples: Sequence[Sample], labels: IntArray, truth: IntArray) -> Example:
    own = np.flatnonzero(labels == number)
    known = Counter(truth[own][truth[own] > 0].tolist())
    most = known.most_common(1)[0][0] if known else 0
    spread = own[np.unique(np.linspace(0, len(own) - 1, _IMAGES).astype(np.int64))]
    title = f"cluster {number + 1}: {len(own)} images"
    if known:
        title += f" of {len(known)} people"
    unknown = "junk" if (truth > 0).any() else "map"  # which has no frame
    return Example(title, [_picture(samples[place], most, unknown) for place in spread])


def _picture(sample: Sample, most: int, unknown: str) -> Picture:
    kind = unknown if sample.identity < 1 else "right" if sample.identity == most else "wrong"
    who = f"person {sample.identity}, " if sample.identity > 0 else ""
    return Picture(data_uri(read_image(sample.path)), kind, f"{who}camera {sample.camera}")
