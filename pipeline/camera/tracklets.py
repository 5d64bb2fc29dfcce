"""The tracklets of a camera between two updates: path, crops and the pooled embedding."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count

import numpy as np

from pipeline import config
from pipeline.camera.crops import Crop, CropJudge, meeting, thumbnail
from pipeline.camera.likeness import Likeness, turn
from pipeline.camera.track import Point, Tracking
from pipeline.records import Detections, FloatArray, Frame, Image, Path, Track, TrackletUpdate

GAP_SECONDS = 0.5  # a track that was missed for no longer has its path filled in between
FIRST_EMBEDDING_SECONDS = 1.0  # after which a tracklet without a good crop gets its least bad one
_BETTER = 1.1  # a new best crop is this much better than the one sent before
_LEAST_WEIGHT = 1e-3
_SPREAD_SECONDS = 2.0  # between two crops that are sent though they are no better
_MEETING_SECONDS = 1.0  # before a turn, within which somebody else must have been near
_SURE = 2  # crops in a row that are unlike the track before it is parted

_OPEN = config.Privacy()  # type: ignore[call-arg]

Embed = Callable[[Sequence[Image]], FloatArray]


class Tracklet:
    """One person in one camera since they came into view.

    In each slot of ``1 / per_second`` seconds the best good crop is kept for embedding. While
    there is none, the least bad crop of all waits, and is used when time presses.

    Sent as pictures are the best crop where it got better and, for ``keep`` above 0, others as
    time goes by: the longer the tracklet, the rarer, so that many of them never weigh much.
    """

    def __init__(
        self,
        track: int,
        per_second: float,
        keep: int = 0,
        privacy: config.Privacy = _OPEN,
    ) -> None:
        self.track = track
        self._per_second = per_second
        self._keep = keep
        self._privacy = privacy
        self._points: list[Point] = []
        self._start = math.nan
        self.last: Point | None = None
        self._slot = -1
        self._candidate: Crop | None = None
        self._chosen: list[Crop] = []
        self._fallback: Crop | None = None
        self._sum: FloatArray | None = None
        self._weight = 0.0
        self._crops = 0
        self._good_crops = 0
        self._best = 0.0
        self._sent_best = -math.inf  # also a quality of 0 is sent once
        self._best_crop: Crop | None = None
        self._newest: Crop | None = None  # the best of those pooled since the last update
        self._sent_at = -math.inf
        self._doubtful: tuple[list[Crop], FloatArray] | None = None
        self._published: Point | None = None
        self.last_crop = math.nan  # when the last crop that was pooled was taken
        self.last_meeting = -math.inf  # when the box last touched that of somebody else
        self._seq = 0

    def add(self, point: Point, between: Iterable[tuple[float, int]] = ()) -> None:
        """Goes on to ``point``; ``between`` are the times and numbers of the frames missed."""
        if self.last is None:
            self._start = point.time
        else:
            self._points += _interpolate(self.last, point, between)
        self._points.append(point)
        self.last = point

    def wants(self, time: float, bound: float, good: bool) -> bool:
        """Whether a crop of at most this quality could be of use."""
        if not good:
            return self._good_crops == 0 and _beats(bound, self._fallback)
        return self._slot_of(time) != self._slot or _beats(bound, self._candidate)

    def offer(self, time: float, crop: Crop) -> None:
        """Keeps the crop if it is the best of its slot, or the least bad of all."""
        if not crop.good:
            if _beats(crop.quality, self._fallback):
                self._fallback = crop
            return
        if self._slot_of(time) != self._slot:
            self._close_slot()
            self._slot = self._slot_of(time)
        if _beats(crop.quality, self._candidate):
            self._candidate = crop

    def take(self, ended: bool) -> list[Crop]:
        """The crops to embed now; they are the caller's from here on."""
        if ended or not self._good_crops:
            self._close_slot()
        chosen, self._chosen = self._chosen, []
        self._good_crops += len(chosen)
        if self._good_crops:
            self._fallback = None
        assert self.last is not None
        pressing = ended or self.last.time - self._start >= FIRST_EMBEDDING_SECONDS
        if self._fallback is not None and pressing and (ended or not self._crops):
            chosen, self._fallback = [self._fallback], None
        return chosen

    def sort_out(
        self, crops: Sequence[Crop], embeddings: FloatArray, threshold: float, ended: bool
    ) -> tuple[int, Sequence[Crop], FloatArray]:
        """Whether the newest crops show somebody else.

        One unlike crop alone is put off until the next confirms it, and dropped if none comes.

        Args:
            embeddings: (n, D) of the crops.
            threshold: of the similarity to the track so far.

        Returns:
            From which crop on it is somebody else, and the crops and embeddings that counts in.
        """
        if self._doubtful is not None:
            crops = [*self._doubtful[0], *crops]
            embeddings = np.concatenate([self._doubtful[1], embeddings])
            self._doubtful = None
        own = self.embedding
        if own is None or not len(crops):
            return len(crops), crops, embeddings
        first = turn(embeddings @ own, threshold)
        unlike = len(crops) - first
        if 0 < unlike < _SURE:
            if not ended:
                self._doubtful = list(crops[first:]), embeddings[first:]
            return first, crops[:first], embeddings[:first]
        return first, crops, embeddings

    def part(self, time: float, track: int) -> Tracklet:
        """The rest of the path from ``time`` on, as a tracklet of its own."""
        rest = Tracklet(track, self._per_second, self._keep, self._privacy)
        for point in [p for p in self._points if p.time >= time]:
            rest.add(point)
        self._points = [p for p in self._points if p.time < time]
        self.last = self._points[-1] if self._points else self._published
        rest._good_crops = 1
        rest._slot, self._slot = self._slot, -1
        rest._candidate, self._candidate = self._candidate, None
        return rest

    @property
    def embedding(self) -> FloatArray | None:
        """Pooled so far (D,); None while there is none."""
        if self._sum is None:
            return None
        norm = float(np.linalg.norm(self._sum))
        return np.asarray(self._sum / max(norm, 1e-12), np.float32)

    def pool(self, crops: Sequence[Crop], embeddings: FloatArray) -> None:
        """Adds embeddings (n, D) of the crops to the mean, each with its quality as weight."""
        for crop, embedding in zip(crops, embeddings, strict=True):
            weight = max(crop.quality, _LEAST_WEIGHT)
            weighted = weight * embedding
            self._sum = weighted if self._sum is None else self._sum + weighted
            self._weight += weight
            self._crops += 1
            self.last_crop = crop.time
            if self._crops == 1 or crop.quality > self._best:
                self._best, self._best_crop = crop.quality, crop
            if _beats(crop.quality, self._newest):
                self._newest = crop

    def update(self, camera: str, run: str, fingerprint: str, ended: bool) -> TrackletUpdate | None:
        """What is new since the update before; None if that is nothing."""
        if not self._points and not ended:
            return None
        assert self.last is not None
        self._seq += 1
        points, self._points, self._published = self._points, [], self.last
        picture, quality = self._picture(ended)
        return TrackletUpdate(
            camera=camera,
            run=run,
            track=self.track,
            seq=self._seq,
            start=self._start,
            end=self.last.time,
            path=Path.of([(p.time, p.frame, p.box.tolist()) for p in points]),
            crops=self._crops,
            quality=self._weight,
            embedding=self.embedding,
            fingerprint=fingerprint,
            thumbnail=picture,
            thumbnail_quality=quality,
            ended=ended,
        )

    def _picture(self, ended: bool) -> tuple[bytes | None, float]:
        """The picture to send now and its quality; without one, that of the best so far."""
        assert self.last is not None
        newest, self._newest = self._newest, None
        enough = self._sent_best * (1.0 if ended else _BETTER)
        if self._best_crop is not None and self._best > enough:
            crop = self._best_crop
        elif newest is not None and self._is_due(self.last.time):
            crop = newest
        else:
            return None, self._best
        if crop is self._best_crop:
            self._sent_best, self._best_crop = crop.quality, None
        self._sent_at = self.last.time
        return thumbnail(crop, self._privacy), crop.quality

    def _is_due(self, time: float) -> bool:
        """Whether it is time for a picture that is no better than those before."""
        wait = max(_SPREAD_SECONDS, (time - self._start) / self._keep) if self._keep else math.inf
        return time - self._sent_at >= wait

    def _slot_of(self, time: float) -> int:
        return math.floor(time * self._per_second)

    def _close_slot(self) -> None:
        if self._candidate is not None:
            self._chosen.append(self._candidate)
            self._candidate = None


class Tracklets:
    """All tracklets of a camera's run.

    Args:
        options: which crops are worth embedding.
        camera, run, fingerprint: go into the updates.
        embed: gives (n, D) embeddings of BGR crops.
        line: the similarity between the same and another person, where the encoder's file
            says it.
        privacy: what of people is hidden in the pictures that are sent.
    """

    def __init__(
        self,
        options: config.Crops,
        camera: str,
        run: str,
        fingerprint: str,
        embed: Embed,
        line: float | None = None,
        privacy: config.Privacy = _OPEN,
    ) -> None:
        self._options = options
        self._privacy = privacy
        self._camera = camera
        self._run = run
        self._fingerprint = fingerprint
        self._embed = embed
        self._judge = CropJudge(options)
        self._likeness = Likeness(line)
        self._numbers = count(1)
        self._open: dict[int, Tracklet] = {}
        self._ended: list[Tracklet] = []
        self._frames: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def see(
        self,
        frame: Frame,
        detections: Detections,
        tracking: Tracking,
        people: FloatArray | None = None,
    ) -> None:
        """Takes what the tracker made of a frame and of the persons in it.

        Args:
            people: (n, 4) of everybody whose face no crop is to show; None: all may be seen.
        """
        boxes = np.array([track.box for track in tracking.tracks], np.float32).reshape(-1, 4)
        sure = np.array([track.confidence for track in tracking.tracks], np.float32)
        bounds, good = self._judge.rate(frame.image, boxes, sure, detections.boxes)
        meetings = meeting(boxes, detections.boxes)
        for row, track in enumerate(tracking.tracks):
            tracklet = self._open.get(track.track)
            if tracklet is None:
                options = self._options
                tracklet = Tracklet(
                    next(self._numbers), options.per_second, options.keep, self._privacy
                )
                self._open[track.track] = tracklet
            for point in tracking.earlier.get(track.track, ()):
                tracklet.add(point, self._between(tracklet.last, point.time))
            tracklet.add(
                Point(frame.time, frame.index, track.box), self._between(tracklet.last, frame.time)
            )
            if meetings[row]:
                tracklet.last_meeting = frame.time
            bound = float(bounds[row])
            if tracklet.wants(frame.time, bound, bool(good[row])):
                crop = self._judge.cut(
                    frame.image, track.box, bound, bool(good[row]), frame.time, people
                )
                tracklet.offer(frame.time, crop)
        self._close(tracking.alive)
        self._remember(frame)

    def boxes(self, tracks: Sequence[Track]) -> dict[int, FloatArray]:
        """Those of the tracker's open tracks, by the track of their tracklets."""
        return {self._open[t.track].track: t.box for t in tracks if t.track in self._open}

    def age(self, alive: frozenset[int]) -> None:
        """Ends what the tracker has given up while there was no picture."""
        self._close(alive)

    def flush(self, end: bool = False) -> list[TrackletUpdate]:
        """The updates since the last flush, after one batch of embeddings.

        Args:
            end: whether all tracklets end here.
        """
        if end:
            self._close(frozenset())
        ended, self._ended = self._ended, []
        parties: list[tuple[int, Tracklet]] = [(0, tracklet) for tracklet in ended]
        parties += list(self._open.items())
        taken = [tracklet.take(not number) for number, tracklet in parties]
        embeddings = self._embed([crop.image for crops in taken for crop in crops])
        self._learn_others()
        updates: list[TrackletUpdate | None] = []
        first = 0
        for (number, tracklet), crops in zip(parties, taken, strict=True):
            own = embeddings[first : first + len(crops)]
            first += len(crops)
            updates += self._grow(number, tracklet, crops, own)
        return [update for update in updates if update is not None]

    def _grow(
        self, number: int, tracklet: Tracklet, crops: Sequence[Crop], embeddings: FloatArray
    ) -> list[TrackletUpdate | None]:
        """Takes the crops in; where they turn to somebody else, parts the tracklet there.

        Args:
            number: the tracker's; 0 where the tracklet has ended.
        """
        own = tracklet.embedding
        for embedding in embeddings if own is not None else ():
            self._likeness.learn_same(float(embedding @ own))
        first, crops, embeddings = tracklet.sort_out(
            crops, embeddings, self._likeness.threshold, not number
        )
        tracklet.pool(crops[:first], embeddings[:first])
        before = tracklet.last_crop if first == 0 else crops[min(first, len(crops)) - 1].time
        if first == len(crops) or tracklet.last_meeting < before - _MEETING_SECONDS:
            tracklet.pool(crops[first:], embeddings[first:])
            return [self._update(tracklet, not number)]
        rest = tracklet.part((before + crops[first].time) / 2, next(self._numbers))
        if rest.last is None:  # its path was published before: too late to part it
            tracklet.pool(crops[first:], embeddings[first:])
            return [self._update(tracklet, not number)]
        rest.pool(crops[first:], embeddings[first:])
        if number:
            self._open[number] = rest
        return [self._update(tracklet, True), self._update(rest, not number)]

    def _learn_others(self) -> None:
        """From the persons in view now, each with each."""
        pooled = [t.embedding for t in self._open.values()]
        known = np.array([e for e in pooled if e is not None])
        if len(known) > 1:
            rows, columns = np.triu_indices(len(known), 1)
            for similarity in (known[rows] * known[columns]).sum(1):
                self._likeness.learn_other(float(similarity))

    def _update(self, tracklet: Tracklet, ended: bool) -> TrackletUpdate | None:
        return tracklet.update(self._camera, self._run, self._fingerprint, ended)

    def _close(self, alive: frozenset[int]) -> None:
        for track in [track for track in self._open if track not in alive]:
            self._ended.append(self._open.pop(track))

    def _between(self, last: Point | None, time: float) -> list[tuple[float, int]]:
        """The frames between a track's last point and now, if they are few."""
        if last is None or time - last.time > GAP_SECONDS:
            return []
        return [moment for moment in self._frames if last.time < moment[0] < time]

    def _remember(self, frame: Frame) -> None:
        self._frames.append((frame.time, frame.index))
        while frame.time - self._frames[0][0] > GAP_SECONDS:
            self._frames.popleft()


def _interpolate(
    last: Point, point: Point, between: Iterable[tuple[float, int]]
) -> Iterable[Point]:
    for time, frame in between:
        share = (time - last.time) / (point.time - last.time)
        yield Point(time, frame, last.box + np.float32(share) * (point.box - last.box))


def _beats(quality: float, crop: Crop | None) -> bool:
    return crop is None or quality > crop.quality
