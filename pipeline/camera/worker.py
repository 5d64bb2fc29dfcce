"""The process of one camera: its pictures in, updates of its tracklets out."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np

from pipeline import config, footage
from pipeline.bus import Publisher
from pipeline.camera.hiding import Lately
from pipeline.camera.metrics import WorkerCounts
from pipeline.camera.picture import PictureCheck
from pipeline.camera.preview import PreviewSender
from pipeline.camera.source import Source, open_source
from pipeline.camera.track import PersonTracker
from pipeline.camera.tracklets import Tracklets
from pipeline.inference.metrics import timed
from pipeline.inference.networks import CropEncoder, open_networks
from pipeline.inference.pool import DetectorPool, PersonDetector
from pipeline.inference.shared.client import StoppedError
from pipeline.records import (
    CameraHealth,
    CameraState,
    Detections,
    FloatArray,
    Frame,
    Image,
    Progress,
)
from pipeline.telemetry import get_logger

RHYTHM = 1.0  # seconds of capture time between two groups of updates
_HEALTH_SECONDS = 2.0
_WAIT = 0.5  # seconds without a picture, at least, after which a live camera's time goes on
_TICK = 1e-3  # seconds by which a frame is later than what was already covered
_NOBODY = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))

log = get_logger(__name__)


def run_worker(site: config.Site, camera: str, stop: threading.Event) -> str:
    """Works until the camera's file is at its end and committed, or until ``stop`` is set.

    A live camera never ends. A file goes on behind the last frame that a former run published;
    another, later file in its place is read from its beginning.

    Returns:
        What of the file could not be decoded, in a sentence; "" where there is nothing to say.

    Raises:
        CamtrailError: the camera, its file, the detector or the encoder cannot be used.
    """
    options, lost = site.camera(camera), ""
    with closing(Publisher(site, camera)) as publisher:
        former = footage.where_to_go_on(camera, options, publisher.resume)
        if former is not None and former.state == CameraState.ENDED:
            log.info("the file was read to its end before; nothing is read again", camera=camera)
            if publisher.wait_committed(_HEALTH_SECONDS):
                return ""  # nothing more need be said, and a matcher that waited for it may be gone
            publisher.put([replace(former, run=publisher.run, frames=0)])
        else:
            try:
                lost = _watch(site, camera, publisher, former, stop)
            except StoppedError:  # the next run goes on behind what was published, as after a kill
                log.info("stopped while it waited for the inference process", camera=camera)
        if not options.live:
            _await_commit(camera, publisher, stop)
    return lost


def _watch(
    site: config.Site,
    camera: str,
    publisher: Publisher,
    former: Progress | None,
    stop: threading.Event,
) -> str:
    """Returns what a file's source has to say at its end."""
    with (
        closing(open_source(site.camera(camera), camera, former.frame if former else 0)) as source,
        closing(PreviewSender(site, camera, publisher.run)) as preview,
        open_networks(site, camera, stop) as networks,
    ):
        detector, encoder = networks.detector, networks.encoder
        Worker(site, camera, source, detector, encoder, publisher, former, preview).run(stop)
        return "" if source.live else source.message


def _await_commit(camera: str, publisher: Publisher, stop: threading.Event) -> None:
    while not stop.is_set():
        publisher.report(_health(camera, publisher, CameraState.ENDED.value))
        if publisher.wait_committed(_HEALTH_SECONDS):
            return


class Worker:
    """The loop over a camera's pictures; decoding and detection run beside it in their threads.

    Attributes:
        frames: how many it has seen, the detections with them.
    """

    def __init__(
        self,
        site: config.Site,
        camera: str,
        source: Source,
        detector: PersonDetector,
        encoder: CropEncoder,
        publisher: Publisher,
        former: Progress | None = None,
        preview: PreviewSender | None = None,
    ) -> None:
        self._site = site
        self._camera = camera
        self._masks = site.camera(camera).masks
        self._batch = 1 if source.live else site.detector.batch
        self._source = source
        self._digest = footage.digest(site.camera(camera))
        self._detector = detector
        self._begun: deque[tuple[list[Frame], Future[list[Detections]]]] = deque()
        self._publisher = publisher
        self._tracker: PersonTracker | None = None
        self._embed = timed("encoder", encoder.embed)
        self._counts = WorkerCounts(camera, encoder.fingerprint)
        self._tracklets = Tracklets(
            site.crops,
            camera,
            publisher.run,
            encoder.fingerprint,
            self._embed_some,
            encoder.line,
            site.privacy,
        )
        self._lately = Lately() if site.privacy.blur != "none" else None
        self._preview = preview
        self._check = PictureCheck()
        self._fault = ""
        self.frames = 0
        self._frame = former.frame if former else 0
        self._covered = former.time if former else source.now()
        self._reported = -math.inf
        self._reported_frames = 0

    def run(self, stop: threading.Event) -> None:
        """Until the source has ended or ``stop`` is set; then publishes what is held."""
        self._publish(CameraState.STARTING)
        with closing(DetectorPool(self._detector, self._source.live)) as pool:
            while not stop.is_set() and not self._ended:
                began = self._source.now()
                frames = self._take()
                if frames:
                    self._begun.append((frames, pool.begin([frame.image for frame in frames])))
                elif self._source.live:
                    self._idle(began)
                while len(self._begun) > (pool.ahead if frames else 0) and not stop.is_set():
                    self._see_first()
                self._report()
        self._finish()

    @property
    def _ended(self) -> bool:
        return self._source.ended and not self._begun

    def _take(self) -> list[Frame]:
        """The next frames, as many as the detector takes at once."""
        frames: list[Frame] = []
        wait = max(_WAIT, 2 / self._source.fps)
        while len(frames) < self._batch:
            frame = self._source.read(wait)
            if frame is None:
                break
            frames.append(frame)
        return frames

    def _see_first(self) -> None:
        """Sees the frames that were begun first, when their persons are found."""
        frames, found = self._begun.popleft()
        for frame, detections in zip(frames, found.result(), strict=True):
            self._see(frame, detections)

    def _see(self, frame: Frame, found: Detections) -> None:
        detections = unmasked(found, self._masks)
        if self._tracker is None:  # only now a live source knows its frame rate
            self._tracker = PersonTracker(
                self._site.tracker, self._site.detector.confidence, self._source.fps
            )
        if self._source.live:
            self._fault = self._check.look(frame.image, frame.time)
            frame = replace(frame, time=max(frame.time, self._covered + _TICK))
        tracking = self._tracker.update(detections, frame.time, frame.index)
        # Whoever stands behind a mask is not followed, and is hidden all the same.
        people = self._lately.see(frame.time, found.boxes) if self._lately else None
        self._tracklets.see(frame, detections, tracking, people)
        if self._preview is not None and self._preview.watched:
            self._preview.offer(frame, self._tracklets.boxes(tracking.tracks), people)
        self._counts.seen.inc()
        self._counts.detections.inc(len(detections))
        self.frames += 1
        self._frame = frame.index
        self._cover(frame.time)

    def _embed_some(self, crops: Sequence[Image]) -> FloatArray:
        self._counts.crops.inc(len(crops))
        return self._embed(crops)

    def _idle(self, moment: float) -> None:
        """A live camera gave no picture since ``moment``: its time goes on without one."""
        if moment <= self._covered:
            return
        if self._tracker is not None:
            self._tracklets.age(self._tracker.update(_NOBODY, moment, self._frame).alive)
        self._cover(moment)

    def _cover(self, moment: float) -> None:
        due = math.floor(moment / RHYTHM) > math.floor(self._covered / RHYTHM)
        self._covered = moment
        if due:
            self._publish(CameraState.RUNNING)

    def _publish(self, state: CameraState, end: bool = False) -> None:
        progress = Progress(
            camera=self._camera,
            run=self._publisher.run,
            time=self._covered,
            state=state,
            live=self._source.live,
            frames=self.frames,
            frame=self._frame,
            source=self._digest,
        )
        updates = self._tracklets.flush(end)
        self._publisher.put([*updates, progress])
        for update in updates:
            if update.seq == 1 or update.ended:
                word = "tracklet ended" if update.ended else "tracklet begun"
                log.debug(word, tracklet=str(update.key), seq=update.seq, crops=update.crops)

    def _finish(self) -> None:
        """The last group. A file that was stopped goes on in the next run."""
        if self._ended:
            if self._source.message:
                log.warning(self._source.message, camera=self._camera)
            self._publish(CameraState.ENDED, end=True)
        elif self._source.live:
            self._publish(CameraState.LOST, end=True)
        else:
            self._publish(CameraState.RUNNING)
        log.info("camera done", camera=self._camera, frames=self.frames, frame=self._frame)

    def _report(self) -> None:
        """Says how the camera is, every few seconds."""
        now = time.monotonic()
        since = now - self._reported
        if since < _HEALTH_SECONDS:
            return
        source = self._source
        state = "running" if source.connected else "connecting"
        health = _health(self._camera, self._publisher, self._fault or state)
        health.frames = self.frames
        health.fps = (self.frames - self._reported_frames) / since
        health.delay = max(0.0, source.now() - self._covered) if source.live else 0.0
        health.tracks = len(self._tracklets)
        health.reconnects = source.reconnects
        health.message = source.message or (f"the picture is {self._fault}" if self._fault else "")
        self._publisher.report(health)
        self._counts.report(source.connected, health.tracks, self._fault)
        self._reported, self._reported_frames = now, self.frames


def unmasked(detections: Detections, masks: Sequence[Sequence[tuple[float, float]]]) -> Detections:
    """Those whose feet (the middle of the box's lower side) stand in none of the polygons."""
    if not masks or not len(detections):
        return detections
    polygons = [np.array(mask, np.float32) for mask in masks]
    free = [not any(_stands_in(box, polygon) for polygon in polygons) for box in detections.boxes]
    return Detections(detections.boxes[free], detections.confidences[free])


def _stands_in(box: FloatArray, polygon: FloatArray) -> bool:
    feet = (float(box[0] + box[2]) / 2, float(box[3]))
    return bool(cv2.pointPolygonTest(polygon, feet, False) >= 0)


def _health(camera: str, publisher: Publisher, state: str) -> CameraHealth:
    return CameraHealth(
        camera=camera, run=publisher.run, pid=os.getpid(), state=state, time=time.time()
    )
