"""Whether a new encoder is better than the old one on crops that neither has seen.

Both are measured on the same queries; the uncertainty of the difference comes from a bootstrap over
the identities, since the queries of one person are not independent.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reid_models import Encoder, Similarities, load_encoder
from train.data import DataSet
from train.errors import TrainError
from train.evaluation import How, Ranking, Search, embed_data, make_search, recommend
from train.evaluation.embed import Progress

CONFIDENCE = 0.95
ROUNDS = 2000
FORMAT = 1
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """An encoder on the held-out crops; rates in [0, 1].

    ``thresholds`` are those that it needs in the matcher, learned from the same crops.
    """

    file: str
    fingerprint: str
    mean_average_precision: Interval
    rank1: float
    true_positive_rates: dict[str, float]
    thresholds: Similarities


@dataclass(frozen=True)
class Side:
    """One of the two: its figures, and what they come from."""

    measured: Measured
    search: Search
    ranking: Ranking


@dataclass(frozen=True)
class Comparison:
    """Two encoders beside each other.

    Attributes:
        old: the encoder in use.
        new: the one to replace it.
        gain: of mAP, the new one's less the old one's.
        better: whether the gain is above 0 with 95 % confidence.
        worse: whether it is below 0 with the same.
    """

    data: str
    queries: int
    identities: int
    old: Side
    new: Side
    gain: Interval
    measure: ClassVar[str] = "mAP"

    @property
    def better(self) -> bool:
        return self.gain.low > 0

    @property
    def worse(self) -> bool:
        return self.gain.high < 0

    @property
    def verdict(self) -> str:
        """In words."""
        return "better" if self.better else "worse" if self.worse else "not clear"

    def as_json(self) -> str:
        """What `camtrail encoder promote` asks for."""
        sides = {
            name: asdict(side) | {"thresholds": side.thresholds.model_dump()}
            for name, side in (("old", self.old.measured), ("new", self.new.measured))
        }
        facts = {"format": FORMAT, "data": self.data, "measure": self.measure, "protocol": PROTOCOL}
        counts = {"queries": self.queries, "identities": self.identities}
        verdict = {"gain": asdict(self.gain), "better": self.better, "worse": self.worse}
        return json.dumps(facts | counts | sides | verdict, indent=2) + "\n"


PROTOCOL = (
    f"{How().protocol}; {CONFIDENCE:.0%} intervals from {ROUNDS} bootstrap samples of identities"
)


def compare(
    old: Path,
    new: Path,
    data: DataSet,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = lambda images: None,
) -> Comparison:
    """Measures both on the query and gallery part of ``data``.

    Args:
        old: an encoder file.
        new: another.
        data: crops that neither learned from.
        device: of the encoders.
        seed: of the bootstrap.
        progress: called with the number of images that were embedded since the last call.

    Raises:
        TrainError: there are too few identities to say anything.
        EncoderError: one of the files is no encoder.
    """
    people = {sample.identity for sample in data.query}
    if len(people) < 2:
        raise TrainError(
            f"{data.name}: {len(people)} identity to search for; comparing needs two or more"
        )
    encoders = [load_encoder(path, device) for path in (old, new)]
    weights = bootstrap(np.array([sample.identity for sample in data.query]), seed)
    before, after = (
        _side(path, encoder, data, weights, progress)
        for path, encoder in zip((old, new), encoders, strict=True)
    )
    gain = interval(after.ranking.precisions - before.ranking.precisions, weights)
    return Comparison(data.name, len(data.query), len(people), before, after, gain)


def _side(path: Path, encoder: Encoder, data: DataSet, weights: Vector, progress: Progress) -> Side:
    query = embed_data(encoder, data.query, progress)
    gallery = embed_data(encoder, data.gallery, progress)
    search = make_search(query, gallery, data, How())
    ranking = search.ranking()
    measured = Measured(
        file=str(path),
        fingerprint=encoder.fingerprint,
        mean_average_precision=interval(ranking.precisions, weights),
        rank1=round(float(ranking.cmc[0]), 4),
        true_positive_rates={
            f"{point.false_positive_rate:g}": round(point.true_positive_rate, 4)
            for point in ranking.roc
        },
        thresholds=recommend(query, gallery),
    )
    return Side(measured, search, ranking)


def bootstrap(identities: npt.NDArray[np.int64], seed: int) -> Vector:
    """(ROUNDS, Q): how often each of Q values counts in each sample of the identities."""
    rng = np.random.default_rng(seed)
    _, owner = np.unique(identities, return_inverse=True)
    count = int(owner.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=ROUNDS)
    return np.asarray(drawn[:, owner], np.float64)


def interval(values: Vector, weights: Vector) -> Interval:
    """The mean of the values (Q,), and what 95 % of its bootstrap samples lie between.

    Args:
        values: of each query, or whatever is resampled.
        weights: as `bootstrap` gives them.
    """
    means = weights @ values / weights.sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(*(round(float(x), 4) for x in (values.mean(), low, high)))
