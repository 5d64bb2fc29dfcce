"""What a query found, as pictures for a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from train.data import Sample, read_image
from train.evaluation.cam import Looker
from train.evaluation.measure import Search
from train.evaluation.protocol import seek
from train.evaluation.ranking import Ranking

Image = npt.NDArray[np.uint8]
_SHOWN = 10  # images of a rank list
_HEIGHT = 128  # of a picture, pixels


@dataclass(frozen=True)
class Picture:
    """An image of the gallery in a rank list.

    Attributes:
        source: the picture as a ``data:`` URI.
        kind: right, wrong or junk.
        rank: 1-based; None for junk.
        distance: ``1 - cos``, Euclidean, or what re-ranking gives.
        identity: of the data set.
        camera: of the data set.
    """

    source: str
    kind: Literal["right", "wrong", "junk"]
    rank: int | None
    distance: float
    identity: int
    camera: int


@dataclass(frozen=True)
class RankList:
    """A query and what was found, nearest first.

    Attributes:
        source: the query's picture.
        name: its file.
        identity: of the query.
        camera: of the query.
        precision: its average precision.
        pictures: the first, junk among them; the nearest right one is the last if it comes later.
        maps: titles and pictures of where query and right, and query and wrong look alike.
    """

    source: str
    name: str
    identity: int
    camera: int
    precision: float
    pictures: list[Picture]
    maps: list[tuple[str, str]]


class RankLists:
    """Makes rank lists.

    Args:
        search: what was measured.
        ranking: how it went.
        looker: draws the maps; None for lists without.
    """

    def __init__(self, search: Search, ranking: Ranking, looker: Looker | None = None) -> None:
        self._search, self._ranking, self._looker = search, ranking, looker
        self._sought = seek(search.query, search.gallery, search.how.other_cameras)

    def of(self, query: int) -> RankList:
        """The list of a query, by its number.

        Raises:
            TrainError: an image cannot be read.
        """
        search, sample = self._search, self._search.queries[query]
        distances = search.row(query)
        if search.squared:
            distances = np.sqrt(np.maximum(distances, 0))
        answers = self._sought.answers[query]
        kinds = np.full(len(distances), "wrong")
        kinds[answers.good] = "right"
        kinds[answers.junk] = kinds[self._sought.junk] = "junk"
        order = np.argsort(distances, kind="stable")
        ranks = np.cumsum(kinds[order] != "junk")
        nearest = {kind: np.flatnonzero(kinds[order] == kind)[:1] for kind in ("right", "wrong")}
        places = np.union1d(np.arange(min(_SHOWN, len(order))), nearest["right"])
        pictures = [
            self._picture(int(order[p]), str(kinds[order[p]]), int(ranks[p]), distances)
            for p in places
        ]
        return RankList(
            source=data_uri(read_image(sample.path)),
            name=sample.path.name,
            identity=sample.identity,
            camera=sample.camera,
            precision=float(self._ranking.precisions[query]),
            pictures=pictures,
            maps=[
                pair
                for kind, places in nearest.items()
                for place in places
                for pair in self._maps(sample, search.shown[int(order[place])], kind)
            ],
        )

    def _picture(self, position: int, kind: Any, rank: int, distances: npt.NDArray[Any]) -> Picture:
        sample = self._search.shown[position]
        return Picture(
            source=data_uri(read_image(sample.path)),
            kind=kind,
            rank=None if kind == "junk" else rank,
            distance=float(distances[position]),
            identity=sample.identity,
            camera=sample.camera,
        )

    def _maps(self, query: Sample, found: Sample, kind: str) -> list[tuple[str, str]]:
        if self._looker is None:
            return []
        seen = self._looker.overlays(read_image(query.path), read_image(found.path))
        titles = (f"query, as like the nearest {kind}", f"the nearest {kind}, as like the query")
        return [(title, data_uri(image)) for title, image in zip(titles, seen, strict=True)]


def data_uri(image: Image) -> str:
    """A picture of `_HEIGHT` pixels at most as a ``data:`` URI."""
    height, width = image.shape[:2]
    if height > _HEIGHT:
        size = max(1, round(width * _HEIGHT / height)), _HEIGHT
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
