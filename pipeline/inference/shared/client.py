"""The inference process as a worker sees it: a detector and an encoder that run elsewhere.

When it dies, the worker waits, connects to the next one and sends again what was not answered: the
pictures still stand in its own memory.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.letterbox import Letterbox
from pipeline.inference.shared.address import make_socket, short_path
from pipeline.inference.shared.messages import (
    MAX_BYTES,
    Answer,
    Hello,
    Kind,
    MessageError,
    Request,
    Welcome,
    pack,
    settings_digest,
    unpack,
)
from pipeline.inference.shared.region import Region, make_region
from pipeline.inference.suppression import MAX_PERSONS
from pipeline.records import Detections, FloatArray, Image
from pipeline.telemetry import get_logger
from reid_models.preprocess import resize

AT_ONCE = 4  # pictures of a file under way: enough that the process never waits for this camera
_SLOTS = 2 * AT_ONCE
_TRY_SECONDS = 0.2
_LOOK_SECONDS = 0.5

log = get_logger(__name__)


class StoppedError(Exception):
    """The worker was told to stop while there was no process to answer it."""


@dataclass(frozen=True, slots=True)
class _Call:
    request: Request
    columns: int
    result: Future[FloatArray]


class Client:
    """A connection that comes back; for any number of threads.

    Attributes:
        welcome: what the process works with; another one's is refused.

    Raises:
        CamtrailError: the process works with other settings than this one's.
        StoppedError: ``stop`` was set before there was a process.
    """

    def __init__(self, site: config.Site, camera: str, stop: threading.Event) -> None:
        self._site = site
        self._camera = camera
        self._stop = stop
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._error: Exception | None = None
        self._slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._met: Future[Welcome] = Future()
        self._memory: tuple[Hello, int, Region] | None = None
        self._thread = threading.Thread(target=self._live, name="inference", daemon=True)
        self._thread.start()
        try:
            self.welcome = self._met.result()
        except BaseException:
            self.close()
            raise

    def submit(self, kind: Kind, pictures: Sequence[Image], columns: int) -> Future[FloatArray]:
        """Has pictures looked at, all of one size; waits where too many are under way.

        Args:
            columns: of the result.
        """
        slot = self._free_slot()
        assert self._memory is not None
        room, begin = self._memory[2].pictures(slot), 0
        for picture in pictures:
            room[begin : begin + picture.size] = picture.reshape(-1)
            begin += picture.size
        height, width = pictures[0].shape[:2]
        with self._lock:
            if self._error is not None:
                raise self._error
            self._number += 1
            request = Request(self._number, kind.value, slot, len(pictures), height, width)
            call = _Call(request, columns, Future())
            self._calls[self._number] = call
            self._send(call)
        return call.result

    def close(self) -> None:
        """Lets the process go."""
        self._closing.set()
        self._thread.join()
        if self._memory is not None:
            os.close(self._memory[1])
            self._memory = None

    def _free_slot(self) -> int:
        while self._error is None:
            with contextlib.suppress(queue.Empty):
                return self._slots.get(timeout=_LOOK_SECONDS)
        raise self._error

    def _send(self, call: _Call) -> None:
        """Under the lock. What does not arrive is sent again on the next connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(pack(call.request))

    def _live(self) -> None:
        """The thread: connects, reads answers, connects again."""
        try:
            while not self._closing.is_set():
                with self._connected() as connection:
                    if connection is not None:
                        self._hear(connection)
        except Exception as error:
            self._fail(error)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket | None]:
        """A connection to the process; None where there is none yet, after a short wait."""
        connection = make_socket()
        connection.settimeout(_LOOK_SECONDS)
        try:
            try:
                with short_path(self._site) as path:
                    connection.connect(path)
            except OSError:
                if self._stop.is_set():
                    raise StoppedError from None
                self._closing.wait(_TRY_SECONDS)
                yield None
                return
            yield connection
        finally:
            with self._lock:
                self._connection = None
            connection.close()

    def _hear(self, connection: socket.socket) -> None:
        """Greets the process and takes its answers, until it is gone."""
        packet = self._receive(connection)
        if not packet:
            return
        try:
            self._meet(connection, unpack(Welcome, packet))
            while packet := self._receive(connection):
                self._take(unpack(Answer, packet))
        except MessageError as error:
            raise CamtrailError(f"the inference process speaks another language: {error}") from None
        except OSError:
            pass
        if not self._closing.is_set():
            log.warning("the inference process is gone; waiting for it", camera=self._camera)

    def _receive(self, connection: socket.socket) -> bytes:
        """The next message; nothing where the connection or we ourselves have ended."""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                try:
                    return connection.recv(MAX_BYTES)
                except ConnectionError:
                    return b""
        return b""

    def _meet(self, connection: socket.socket, welcome: Welcome) -> None:
        if welcome.settings != settings_digest(self._site):
            raise CamtrailError(
                "the inference process was started with another `detector` or `encoder` than "
                "site.yaml has now; restart it"
            )
        if self._memory is None:
            self._memory = self._make_memory(welcome)
        elif welcome != self._met.result():
            raise CamtrailError("the inference process has other networks than before; start again")
        hello, handle, _ = self._memory
        socket.send_fds(connection, [pack(hello)], [handle])
        with self._lock:
            self._connection = connection
            for call in self._calls.values():
                self._send(call)
        if not self._met.done():
            self._met.set_result(welcome)

    def _make_memory(self, welcome: Welcome) -> tuple[Hello, int, Region]:
        crops = self._site.encoder.batch
        hello = Hello(
            camera=self._camera,
            slots=_SLOTS,
            input_bytes=4 * max(welcome.size**2, crops * welcome.crop_height * welcome.crop_width),
            output_bytes=4 * max(5 * MAX_PERSONS, crops * welcome.dimension),
        )
        handle, region = make_region(hello)
        for slot in range(_SLOTS):
            self._slots.put(slot)
        return hello, handle, region

    def _take(self, answer: Answer) -> None:
        with self._lock:
            call = self._calls.pop(answer.number, None)
        if call is None or self._memory is None:
            return
        if answer.error:
            call.result.set_exception(CamtrailError(f"the inference process: {answer.error}"))
        else:
            size = answer.rows * call.columns
            rows = self._memory[2].results(call.request.slot)[:size].copy()
            call.result.set_result(rows.reshape(answer.rows, call.columns))
        self._slots.put(call.request.slot)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._error = error
            calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            call.result.set_exception(error)
        if not self._met.done():
            self._met.set_exception(error)


class SharedDetector:
    """The inference process' detector; as `Detector` for those who detect."""

    at_once = AT_ONCE

    def __init__(self, client: Client) -> None:
        self._client = client

    def share(self, networks: int) -> Callable[[], None]:
        """As `Detector.share`; there is nothing to share here."""
        return lambda: None

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """As `Detector.detect`."""
        size, stride = self._client.welcome.size, self._client.welcome.stride
        boxes = [Letterbox.fit(i.shape[0], i.shape[1], size, stride) for i in images]
        begun = [
            self._client.submit(Kind.DETECT, [box.apply(image)], 5)
            for box, image in zip(boxes, images, strict=True)
        ]
        return [box.undo(found.result()) for box, found in zip(boxes, begun, strict=True)]


class SharedEncoder:
    """The inference process' encoder; as `EncoderRuntime` for those who embed."""

    def __init__(self, client: Client, batch: int) -> None:
        self._client = client
        self._batch = batch
        self.fingerprint = client.welcome.fingerprint
        self.line = client.welcome.line

    def embed(self, crops: Sequence[Image]) -> FloatArray:
        """As `EncoderRuntime.embed`."""
        welcome = self._client.welcome
        # The encoder does the same first, and then leaves crops of its size as they are.
        sized = [resize(crop, welcome.crop_height, welcome.crop_width) for crop in crops]
        begun = [
            self._client.submit(Kind.EMBED, sized[first : first + self._batch], welcome.dimension)
            for first in range(0, len(sized), self._batch)
        ]
        parts = [one.result() for one in begun]
        return np.concatenate(parts) if parts else np.empty((0, welcome.dimension), np.float32)
