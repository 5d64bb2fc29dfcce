"""Where a recording comes from: the store, which has all that was, or the bus while it comes."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from heapq import merge
from itertools import chain
from pathlib import Path

import redis

from pipeline.bus import Keys, connect, last_id, listen
from pipeline.config import Site, redact
from pipeline.errors import CamtrailError
from pipeline.exports import note_export
from pipeline.matcher.encoder import remembered_facts
from pipeline.records import CameraState, Envelope, Progress, TrackletUpdate
from pipeline.replay.file import EncoderSaid, Header, Summary, write_recording
from pipeline.store import RunState, Store

GONE = (CameraState.ENDED, CameraState.LOST)


def record_store(
    site: Site, out: Path, since: float = -math.inf, until: float = math.inf
) -> Summary:
    """Writes what the cameras said of everybody who was in view between two times.

    Raises:
        CamtrailError: there is no store, nobody was seen, or the file cannot be written.
    """
    with Store.open(site.store_url, read_only=True) as store:
        return _write(site, store, out, ended(retold(store, since, until)))


def record_bus(
    site: Site, out: Path, stop: threading.Event, listening: Callable[[], None] = lambda: None
) -> Summary:
    """Writes what the cameras say from now on, until ``stop`` is set or all files are at their end.

    Args:
        listening: is called when what is said from then on will be recorded.

    Raises:
        CamtrailError: the site does not run, nothing was said, or the file cannot be written.
    """
    with Store.open(site.store_url, read_only=True) as store:
        return _write(site, store, out, ended(overheard(site, stop, listening)))


def retold(store: Store, since: float, until: float) -> Iterator[Envelope]:
    """The messages that would lead a matcher to know everything at the time at which it knew it.

    What a camera had declared complete is told no earlier than needed, so the replay's matcher
    finds the same event time for each update, however the cameras' streams were mixed.
    """
    teller = _Teller()
    runs = store.runs()
    closings = [(run.closed_at, run) for run in runs if run.closed_at is not None]
    events: Iterable[tuple[float, TrackletUpdate | RunState]] = merge(
        sorted(closings, key=lambda event: event[0]),
        ((received.known_at, received.update) for received in store.arrivals(since, until)),
        key=lambda event: event[0],
    )
    for time, event in events:
        if isinstance(event, TrackletUpdate):
            yield from teller.cover(event.camera, event.run, _before(time))
            yield teller.tell(event)
        elif teller.knows(event):
            yield from teller.cover(event.camera, event.run, _before(time))
            yield teller.tell(_progress(event, _before(time)))
    for run in runs:
        if run.closed_at is None and teller.knows(run) and math.isfinite(run.time):
            yield teller.tell(replace(_progress(run, run.time), state=CameraState.RUNNING))


def overheard(
    site: Site, stop: threading.Event, listening: Callable[[], None]
) -> Iterator[Envelope]:
    """The messages of the stream as they come, until all files are at their end."""
    client, keys = connect(site, name="recorder"), Keys(site.site)
    at_end: set[str] = set()
    try:
        after = last_id(client, keys)
        listening()
        for envelope in listen(client, keys, after, stop):
            yield envelope
            body = envelope.body
            if isinstance(body, Progress) and body.state is CameraState.ENDED:
                at_end.add(envelope.camera)
            if at_end >= site.cameras.keys():
                return
    except redis.RedisError as error:
        raise CamtrailError(
            f"Redis does not answer ({redact(str(error))}); is `camtrail run` running?"
        ) from None
    finally:
        client.close()


def ended(messages: Iterable[Envelope]) -> Iterator[Envelope]:
    """The messages, and behind them that every camera that went on is lost: nobody waits for it."""
    newest: dict[str, Envelope] = {}
    numbers: dict[tuple[str, str], int] = {}
    told: defaultdict[str, float] = defaultdict(lambda: -math.inf)
    for envelope in messages:
        body, camera = envelope.body, envelope.camera
        numbers[camera, envelope.run] = envelope.number
        time = body.time if isinstance(body, Progress) else body.end
        told[camera] = max(told[camera], time)
        if camera not in newest or envelope.run >= newest[camera].run:
            newest[camera] = envelope
        yield envelope
    for camera, last in sorted(newest.items()):
        body = last.body
        if isinstance(body, Progress) and body.state in GONE:
            continue
        live = isinstance(body, Progress) and body.live
        lost = Progress(camera, last.run, told[camera], CameraState.LOST, live)
        yield Envelope(numbers[camera, last.run] + 1, lost)


class _Teller:
    """Numbers the messages of each run, and says how far a camera has got."""

    def __init__(self) -> None:
        self._numbers: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._covered: defaultdict[str, float] = defaultdict(lambda: -math.inf)

    def knows(self, run: RunState) -> bool:
        """Whether anything was told of a run."""
        return (run.camera, run.run) in self._numbers

    def tell(self, body: TrackletUpdate | Progress) -> Envelope:
        self._numbers[body.camera, body.run] += 1
        return Envelope(self._numbers[body.camera, body.run], body)

    def cover(self, camera: str, run: str, time: float) -> Iterator[Envelope]:
        """Says that the camera told everything up to ``time``, unless that is known."""
        if time > self._covered[camera]:
            self._covered[camera] = time
            yield self.tell(Progress(camera, run, time, CameraState.RUNNING, live=False))


def _write(site: Site, store: Store, out: Path, messages: Iterable[Envelope]) -> Summary:
    facts = remembered_facts(store)
    fingerprint = store.fact("fingerprint") or (facts.fingerprint if facts else "")
    recommended = facts if facts and facts.fingerprint == fingerprint else None
    header = Header(
        site=site.site,
        cameras=tuple(site.cameras),
        topology=site.topology,
        matcher=site.matcher,
        encoder=EncoderSaid(
            fingerprint=fingerprint,
            accept=recommended.accept if recommended else None,
            new=recommended.new if recommended else None,
        ),
    )
    rest = iter(messages)
    first = next(rest, None)
    if first is None:
        raise CamtrailError("nobody was seen in that time: there is nothing to record")
    note_export(site, "record", out)
    return write_recording(out, header, chain([first], rest))


def _progress(run: RunState, time: float) -> Progress:
    state = run.state if run.state in GONE else CameraState.LOST
    return Progress(run.camera, run.run, time, state, False, run.frames, run.frame, run.dropped)


def _before(time: float) -> float:
    return math.nextafter(time, -math.inf)
