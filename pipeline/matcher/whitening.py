"""How embeddings are compared: without what says nothing of who somebody is on this site.

What all pictures of a camera have in common (light, colour, angle) is taken off: each camera's mean
is. Along the few directions in which the people of the site differ most, many of them are alike on
either side: there are those who wear the uniform, and the others. Such directions are shortened
(whitening, with shrinkage), so that what else tells people apart counts for as much.

Without it two people in one uniform are more alike than one person in two cameras; with it
similarities of one person, and of two, lie nearly in the same place whatever people wear.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.records import FloatArray

Matrix = npt.NDArray[np.float64]

FEWEST = 8  # people, before anything is learned
_LEAST = 1e-4  # length: what is nearer to its camera's mean than this is like nobody
_PRIOR = 5.0  # views as which the mean of all cameras counts in that of one
_DIRECTIONS = 16  # that are shortened, at most
_SHRINKAGE = 0.1  # of the whole variance, added to that along each direction ...
_FEW = 1.0  # ... and so much more where it comes from one person


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries, ready to be compared with embeddings as they came; see `Whitening.ask`.

    Attributes:
        unit: (q, D), normalised; its products with embeddings rank these much as `alike` does.
        rows: (q, D), the same in double precision.
        lengths: (q,) that they had before.
        above: (q, cameras), their products with the means.
        shifts: (q, cameras), see `Whitening.shifts`.
    """

    unit: FloatArray
    rows: Matrix
    lengths: Matrix
    above: Matrix
    shifts: Matrix

    def __len__(self) -> int:
        return len(self.unit)

    def __getitem__(self, rows: Sequence[int]) -> Asked:
        return Asked(
            self.unit[rows],
            self.rows[rows],
            self.lengths[rows],
            self.above[rows],
            self.shifts[rows],
        )

    def alike(self, products: npt.NDArray[np.floating], measured: Matrix) -> tuple[Matrix, Matrix]:
        """The products (q, k) of what `Whitening.apply` makes of queries and embeddings, and what
        is added to each for its two cameras.

        Args:
            products: (q, k) of the queries with some embeddings as they came.
            measured: what `Whitening.measure` says of these, (q, k, 2), or (k, 2) if they are the
                same for all queries.
        """
        means = np.broadcast_to(measured[..., 1].astype(np.int64), products.shape)
        above = np.take_along_axis(self.above, means, axis=1)
        alike = self.lengths[:, None] * (products - above) / measured[..., 0]
        return np.asarray(alike), np.take_along_axis(self.shifts, means, axis=1)


class Whitening:
    """A linear map of embeddings for each camera. Where nothing is known it changes nothing.

    Args:
        means: (D,) by camera; that of all by ''.
        directions: (r, D), orthonormal.
        gains: (r,) in [0, 1], the share of its length along each that an embedding loses.
        learned_from: prototypes that there were when it was learned.

    Attributes:
        cameras: in the order of ``means``.
        shifts: (cameras, cameras), what is added to similarities of embeddings of two cameras: see
            `pipeline.matcher.sameness`.
    """

    def __init__(
        self,
        means: Mapping[str, FloatArray] | None = None,
        directions: FloatArray | None = None,
        gains: FloatArray | None = None,
        learned_from: int = 0,
    ) -> None:
        self.learned_from = learned_from
        # In double precision, so that it does not show, once the products are rounded, how many
        # embeddings were multiplied together.
        self._directions = None if directions is None else directions.astype(np.float64)
        self._gains = None if gains is None else gains.astype(np.float64)
        self.cameras = [*means] if means else [""]
        self.shifts: Matrix = np.zeros((len(self.cameras), len(self.cameras)))
        self._places = {camera: place for place, camera in enumerate(self.cameras)}
        self._means = np.stack(list(means.values())) if means else None

    @property
    def known(self) -> bool:
        """Whether anything was learned."""
        return self._directions is not None

    def apply(self, embeddings: FloatArray, cameras: Sequence[str]) -> FloatArray:
        """Normalised embeddings (n, D) of these cameras, ready to be compared by inner product."""
        if self._directions is None or self._means is None or not len(embeddings):
            return embeddings
        means = self._means[self.places(cameras)]
        return _unit(self._shorten(embeddings - means)).astype(np.float32)

    def ask(self, whitened: FloatArray, cameras: Sequence[str]) -> Asked:
        """Gets queries (q, D) of these cameras, as `apply` made them, ready for embeddings as they
        came.

        With A for the map, which is symmetric, and m for the mean of a camera, such an embedding e
        is as alike to a query q as

            q · A(e - m) / |A(e - m)| = (Aq · e - Aq · m) / |A(e - m)|
        """
        if self._directions is None or self._means is None:
            ones, none = np.ones(len(whitened)), np.zeros((len(whitened), 1))
            return Asked(whitened, whitened.astype(np.float64), ones, none, none)
        turned = self._shorten(whitened)
        rows = _unit(turned)
        lengths = np.sqrt(np.einsum("nd,nd->n", turned, turned))
        shifts = self.shifts[self.places(cameras)]
        return Asked(rows.astype(np.float32), rows, lengths, rows @ self._means.T, shifts)

    def measure(self, embeddings: FloatArray, cameras: Sequence[str]) -> Matrix:
        """What `Asked.alike` has to know of embeddings (n, D) as they came: (n, 2), the length that
        `apply` divides them by, and which mean it takes off.
        """
        assert self._directions is not None
        assert self._gains is not None
        assert self._means is not None
        places = self.places(cameras)
        rows = (embeddings - self._means[places]).astype(np.float64)
        along = rows @ self._directions.T
        squares = np.einsum("nd,nd->n", rows, rows)
        squares -= np.square(along) @ (1 - np.square(1 - self._gains))
        return np.stack([np.sqrt(np.maximum(squares, _LEAST**2)), np.array(places, float)], axis=1)

    def places(self, cameras: Iterable[str]) -> list[int]:
        """Of cameras in ``cameras``; where one is not known, that of all."""
        return [self._places.get(name, self._places[""]) for name in cameras]

    def _shorten(self, embeddings: FloatArray) -> FloatArray:
        assert self._directions is not None
        assert self._gains is not None
        rows = embeddings.astype(np.float64)
        along = rows @ self._directions.T
        return np.asarray(rows - (along * self._gains) @ self._directions)

    @classmethod
    def learn(cls, views: Iterable[tuple[int, str, FloatArray]], prototypes: int = 0) -> Whitening:
        """From ``(identity, camera, embedding (D,))``, where several of one identity and camera
        count once. Learns nothing from few.

        Args:
            prototypes: that there are in all, to be remembered as ``learned_from``.
        """
        grouped: dict[tuple[int, str], list[FloatArray]] = {}
        for identity, camera, embedding in views:
            grouped.setdefault((identity, camera), []).append(embedding)
        people = len({identity for identity, _ in grouped})
        if people < FEWEST:
            return cls(learned_from=prototypes)
        rows = _unit(np.array([np.mean(own, axis=0) for own in grouped.values()], np.float64))
        cameras = np.array([camera for _, camera in grouped])
        common = rows.mean(axis=0)
        means = {"": common}
        for camera in sorted(set(cameras.tolist())):
            own = rows[cameras == camera]
            means[camera] = (own.sum(axis=0) + _PRIOR * common) / (len(own) + _PRIOR)
        centred = _unit(rows - np.stack([means[camera] for camera in cameras.tolist()]))
        directions, variances = _principal(centred)
        added = (_SHRINKAGE + _FEW / people) * float((centred**2).sum()) / len(centred)
        gains = 1 - np.sqrt(added / (variances + added))
        return cls(
            {camera: mean.astype(np.float32) for camera, mean in means.items()},
            directions.astype(np.float32),
            gains.astype(np.float32),
            prototypes,
        )

    @property
    def state(self) -> str:
        """As text, to go on from after a restart."""
        known: dict[str, object] = {"learned_from": self.learned_from}
        if self._directions is not None and self._gains is not None and self._means is not None:
            known |= {
                "cameras": self.cameras,
                "shifts": _packed(self.shifts),
                "means": _packed(self._means),
                "directions": _packed(self._directions),
                "gains": _packed(self._gains),
            }
        return json.dumps(known)

    @classmethod
    def of(cls, state: str) -> Whitening:
        """The inverse of ``state``."""
        if not state:
            return cls()
        known = json.loads(state)
        if "gains" not in known:
            return cls(learned_from=known["learned_from"])
        gains = _unpacked(known["gains"])
        count = len(known["cameras"])
        whitening = cls(
            dict(zip(known["cameras"], _unpacked(known["means"]).reshape(count, -1), strict=True)),
            _unpacked(known["directions"]).reshape(len(gains), -1),
            gains,
            known["learned_from"],
        )
        if "shifts" in known:  # not in those from before there were any
            whitening.shifts = _unpacked(known["shifts"]).astype(np.float64).reshape(count, count)
        return whitening


def _principal(rows: Matrix) -> tuple[Matrix, Matrix]:
    """The directions (r, D) in which rows (n, D) differ most, and their variances (r,)."""
    if len(rows) < rows.shape[1]:
        _, lengths, directions = np.linalg.svd(rows, full_matrices=False)
        return directions[:_DIRECTIONS], lengths[:_DIRECTIONS] ** 2 / len(rows)
    squares, directions = np.linalg.eigh(rows.T @ rows)  # much quicker for many rows
    most = slice(None, -_DIRECTIONS - 1, -1)
    return directions.T[most], np.maximum(squares[most], 0.0) / len(rows)


def _unit(rows: npt.NDArray[np.floating]) -> Matrix:
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    return np.asarray(rows / np.maximum(lengths, _LEAST)[:, None], np.float64)


def _packed(values: npt.NDArray[np.floating]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _unpacked(text: str) -> FloatArray:
    return np.frombuffer(base64.b64decode(text), "<f4")
