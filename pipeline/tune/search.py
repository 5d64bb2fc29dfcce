"""Tries settings on every site, and says by those sites that had no part in the choice what it is
worth.

Each site in turn is held out: the best setting of the others is chosen, and only what that gives on
the site held out is reported. What is best on the very sites on which it was sought says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from pipeline.errors import CamtrailError
from pipeline.evaluate import read_truth
from pipeline.evaluate.confusion import Confusion
from pipeline.evaluate.evaluation import lay_out, named
from pipeline.evaluate.scores import idf1
from pipeline.replay import Recording, settings_of
from pipeline.replay.run import Ledger, decide_all, new_engine
from pipeline.replay.tracklets import whole_tracklets

FEWEST_SITES = 2
REACH = 0.15  # of the middle between the thresholds, to either side
WIDEST = 0.2  # between the thresholds
LONGEST = 10.0  # seconds of patience

Progress = Callable[[int, int], None]  # replays done, replays in all


@dataclass(frozen=True)
class Setting:
    """Other thresholds for a site. None is what the encoder recommends; where it is one of them at
    least, they rise with how alike people are on the site, as that is learned.
    """

    accept: float | None
    new: float | None
    patience: float

    @property
    def learns(self) -> bool:
        """Whether the matcher goes on learning with it."""
        return self.accept is None or self.new is None


@dataclass(frozen=True)
class Held:
    """A site while it was held out: IDF1 and false merges as it is, and with the setting that was
    best on all others (None: what it has).
    """

    site: str
    idf1_now: float
    idf1: float
    false_merges_now: int
    false_merges: int
    setting: Setting | None

    @property
    def gain(self) -> float:
        """In IDF1."""
        return self.idf1 - self.idf1_now


@dataclass(frozen=True)
class Tuned:
    """``setting`` is the best on all sites (None: what they have), ``held`` what choosing so gave
    on sites that were held out.
    """

    setting: Setting | None
    held: tuple[Held, ...]

    @property
    def gain(self) -> float:
        """The mean over the sites held out, in IDF1."""
        return float(np.mean([held.gain for held in self.held]))

    @property
    def error(self) -> float:
        """The standard error of ``gain``."""
        return float(np.std([held.gain for held in self.held], ddof=1) / math.sqrt(len(self.held)))

    @property
    def pays(self) -> bool:
        """Whether the gain is more than chance: beyond twice its standard error."""
        return self.setting is not None and self.gain > 2 * self.error and self.gain > 0


@dataclass(frozen=True)
class Score:
    """Of one setting on one site."""

    idf1: float
    false_merges: int


def candidates(middle: float, trials: int) -> list[Setting]:
    """Settings around ``middle`` that fill the space evenly; the same each time. In turn they have
    both thresholds, the patience alone, one threshold, and the other.
    """
    points = qmc.Halton(3, scramble=False).random(trials + 1)[1:]
    settings = []
    for number, (a, b, c) in enumerate(points.tolist()):
        centre, half = middle + REACH * (2 * a - 1), WIDEST * b / 2
        high, low = min(centre + half, 0.999), max(centre - half, -0.999)
        accept = round(high, 3) if number % 4 in (0, 2) else None
        new = round(low, 3) if number % 4 in (0, 3) else None
        settings.append(Setting(accept, new, round(LONGEST * c, 1)))
    return settings


def tune(
    sites: Sequence[tuple[Path, Path]],
    trials: int,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
) -> Tuned:
    """Tries settings on recordings, each given with the folder of its truth.

    Raises:
        CamtrailError: there are fewer than two sites, one is given twice, they have not the same
            encoder and thresholds, or a file makes no sense.
    """
    middle = _common_middle(sites)
    tried: list[Setting | None] = [None, *candidates(middle, trials)]
    pairs = list(product(sites, tried))
    found: list[Score] = []
    with _mapper(jobs) as mapped:
        for score in mapped(_score, pairs):
            found.append(score)
            progress(len(found), len(pairs))
    table = [found[first : first + len(tried)] for first in range(0, len(found), len(tried))]
    return choose([file.stem for file, _ in sites], tried, table)


def choose(
    names: Sequence[str], tried: Sequence[Setting | None], table: Sequence[Sequence[Score]]
) -> Tuned:
    """The choice by a table of scores (sites x settings), whose first column is what the sites
    have.
    """
    scores = np.array([[score.idf1 for score in row] for row in table], np.float64)
    held = []
    for number, name in enumerate(names):
        best = _best(np.delete(scores, number, axis=0))
        now, then = table[number][0], table[number][best]
        merges = (now.false_merges, then.false_merges)
        held.append(Held(name, now.idf1, then.idf1, *merges, tried[best]))
    return Tuned(tried[_best(scores)], tuple(held))


def _best(scores: npt.NDArray[np.float64]) -> int:
    """The setting with the highest mean; of equals the first."""
    return int(np.round(scores.mean(axis=0), 6).argmax())


def _common_middle(sites: Sequence[tuple[Path, Path]]) -> float:
    """Between the thresholds that all the sites have."""
    files = [file for file, _ in sites]
    if len({file.resolve() for file in files}) < FEWEST_SITES:
        raise CamtrailError(
            "tune needs recordings of at least two sites: what is best on one site says nothing "
            "of others"
        )
    if len({file.resolve() for file in files}) < len(files):
        raise CamtrailError("a recording is given twice")
    recordings = [Recording(file) for file in files]
    first = recordings[0]
    for other in recordings[1:]:
        if other.header.encoder.fingerprint != first.header.encoder.fingerprint:
            raise CamtrailError(
                f"{first.path} and {other.path} come from different encoders, whose similarities "
                "cannot be compared: tune for one at a time"
            )
    thresholds = new_engine(first, settings_of(first.header, Path())).thresholds
    return thresholds.middle


@contextmanager
def _mapper(jobs: int) -> Iterator[Callable[..., Iterable[Score]]]:
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield pool.map


def _score(pair: tuple[tuple[Path, Path], Setting | None]) -> Score:
    (file, truth), setting = pair
    return _judge(file, truth).score(setting)


@lru_cache(maxsize=4)
def _judge(file: Path, truth: Path) -> Judge:
    return Judge(file, truth)


class Judge:
    """Scores settings on one site. Its boxes are compared with the truth once."""

    def __init__(self, file: Path, truth: Path) -> None:
        self._recording = Recording(file)
        self._site = settings_of(self._recording.header, Path())
        self._messages = list(self._recording.messages())
        rows = whole_tracklets(self._messages)
        people = read_truth(truth, self._site.cameras)
        tracks = {camera: [row for row in rows if row.key.camera == camera] for camera in people}
        self._keys, self._comparison = lay_out(people, tracks)

    def score(self, setting: Setting | None) -> Score:
        """What it gives; None: what the site has."""
        matcher = self._site.matcher
        if setting is not None:
            matcher = matcher.model_copy(update=asdict(setting))
        site = self._site.model_copy(update={"matcher": matcher})
        ledger = Ledger()
        for batch, _ in decide_all(new_engine(self._recording, site), self._messages):
            ledger.add(batch)
        comparison = named(self._comparison, self._keys, ledger.identities)
        return Score(idf1(comparison), int((Confusion.of(comparison).merged > 0).sum()))
