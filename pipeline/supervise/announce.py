"""What the supervisor says of a camera in the stream.

It goes through the camera's own spool, like a short run of its worker: so it stands in the right
order to what the worker's former runs said, and survives the same accidents.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace

from pipeline.bus import Publisher
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.footage import first_time, where_to_go_on
from pipeline.records import CameraState, Progress


def announce_starting(site: Site, cameras: Iterable[str], timeout: float) -> set[str]:
    """Says of all cameras that they are about to start, so that nobody decides before all are
    there. Waits at most ``timeout`` seconds for Redis; after that the workers will send it.

    Returns:
        The cameras that need not be started: files that were read to their end, all of it
        committed. Of them that is said once more.
    """
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + timeout
        publishers = [stack.enter_context(Publisher(site, camera)) for camera in cameras]
        for publisher in publishers:
            if not _at_end(site, publisher):
                _put(site, publisher, CameraState.STARTING)
        _wait_sent(publishers, deadline)
        read = [p for p in publishers if _at_end(site, p) and p.wait_committed(0.0)]
        for publisher in read:
            _put(site, publisher, CameraState.ENDED)
        _wait_sent(read, deadline)
        return {publisher.camera for publisher in read}


def announce_lost(site: Site, camera: str, timeout: float) -> None:
    """Says that nobody should wait for this camera. Its worker must not be running; it waits at
    most ``timeout`` seconds for Redis.

    Raises:
        CamtrailError: the worker is running all the same.
    """
    with Publisher(site, camera) as publisher:
        if not _at_end(site, publisher):
            _put(site, publisher, CameraState.LOST)
            publisher.wait_sent(timeout)


def _wait_sent(publishers: Iterable[Publisher], deadline: float) -> None:
    for publisher in publishers:
        publisher.wait_sent(max(0.0, deadline - time.monotonic()))


def _put(site: Site, publisher: Publisher, state: CameraState) -> None:
    camera, resume = site.cameras[publisher.camera], _resume(site, publisher)
    if resume is None:
        begin = first_time(camera)
        progress = Progress(publisher.camera, publisher.run, begin, state, camera.live)
    else:  # a file goes on where it was
        progress = replace(resume, run=publisher.run, state=state, frames=0, dropped=0)
    publisher.put([progress])


def _at_end(site: Site, publisher: Publisher) -> bool:
    """Whether the file has been read and a former run has said its last word."""
    resume = _resume(site, publisher)
    return resume is not None and resume.state is CameraState.ENDED


def _resume(site: Site, publisher: Publisher) -> Progress | None:
    """Where the camera's file goes on, if it does."""
    former = publisher.resume
    try:
        return where_to_go_on(publisher.camera, site.cameras[publisher.camera], former)
    except CamtrailError:  # the worker will report it; until then the place is kept
        return replace(former, state=CameraState.LOST) if former else None
