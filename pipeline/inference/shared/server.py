"""The inference process: takes pictures from the workers of a host, gives back what is in them."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.shared.address import folder, make_socket, short_path
from pipeline.inference.shared.messages import (
    MAX_BYTES,
    Answer,
    Hello,
    Kind,
    MessageError,
    Request,
    Welcome,
    pack,
    unpack,
)
from pipeline.inference.shared.metrics import CLIENTS, FAILURES, PICTURES, QUEUE, TOOK, WAITED
from pipeline.inference.shared.networks import SharedNetworks
from pipeline.inference.shared.region import Region
from pipeline.inference.shared.waiting import Job, Load, Waiting
from pipeline.inference.suppression import MAX_PERSONS
from pipeline.records import FloatArray, Image
from pipeline.telemetry import get_logger
from pipeline.telemetry.metrics import HEARTBEAT

HUNG_SECONDS = 60.0  # less than the time after which silent workers are killed
MAX_FAILURES = 5  # in a row: a GPU that has failed once may fail for ever
_LOOK_SECONDS = 0.5
_WAIT_SECONDS = 10.0  # for a predecessor to go

log = get_logger(__name__)


class NetworksFailedError(Exception):
    """They answer no more; only another process can help."""


def run_inference(site: config.Site, stop: threading.Event) -> None:
    """Serves the workers of this host until ``stop`` is set.

    Raises:
        CamtrailError: the networks cannot be used, or another process serves this site.
    """
    with only_one(site):
        networks = SharedNetworks(site)
        with contextlib.closing(Server(site, networks)) as server:
            log.info("ready", device=networks.device, at_once=networks.lanes)
            try:
                server.serve(stop)
            except NetworksFailedError as error:
                log.error("the networks have failed; ending", error=str(error))
                os._exit(os.EX_SOFTWARE)  # the thread that hangs would hold up any other exit
        log.info("done")


@contextlib.contextmanager
def only_one(site: config.Site) -> Iterator[None]:
    """Holds the socket's folder; waits a while for a predecessor that is about to end.

    Raises:
        CamtrailError: it does not end, or the folder cannot be used.
    """
    path = folder(site)
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        file = (path / "lock").open("a")
    except OSError as error:
        raise CamtrailError(f"{path}: cannot be used: {error}") from None
    deadline = time.monotonic() + _WAIT_SECONDS
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CamtrailError(
                        f"{path}: another inference process serves this data_dir; stop it first"
                    ) from None
                time.sleep(_LOOK_SECONDS)
        yield


class _Client:
    """A worker's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.hello: Hello | None = None
        self.region: Region | None = None
        self.busy: set[int] = set()  # slots that belong to us

    @property
    def name(self) -> str:
        return self.hello.camera if self.hello else "?"

    def job(self, request: Request, welcome: Welcome) -> Job:
        """The job of a request.

        Raises:
            MessageError: it does not fit the networks or the client's memory.
        """
        if self.hello is None:
            raise MessageError("a request before the memory that it speaks of")
        detect = request.kind == Kind.DETECT
        if not (_detectable if detect else _embeddable)(request, welcome):
            raise MessageError(f"{request} does not fit the networks")
        floats = 5 * MAX_PERSONS if detect else request.count * welcome.dimension
        if _bytes(request) > self.hello.input_bytes or 4 * floats > self.hello.output_bytes:
            raise MessageError(f"{request} does not fit the slots")
        if not 0 <= request.slot < self.hello.slots or request.slot in self.busy:
            raise MessageError(f"slot {request.slot} is not free")
        self.busy.add(request.slot)
        load = Load(Kind(request.kind), (request.height, request.width))
        return Job(self, request.number, request.slot, request.count, load)

    def pictures(self, job: Job) -> Image:
        """Those of a job, in the client's memory."""
        assert self.region is not None
        shape = (job.count, *job.load.shape, 3)
        return self.region.pictures(job.slot)[: math.prod(shape)].reshape(shape)

    def answer(self, job: Job, result: FloatArray | str) -> None:
        """Sends a result, or why there is none; a client that does not listen has lost it."""
        if isinstance(result, str):
            answer = Answer(job.number, 0, result)
        else:
            assert self.region is not None
            self.region.results(job.slot)[: result.size] = result.ravel()
            answer = Answer(job.number, len(result), "")
        self.busy.discard(job.slot)
        with contextlib.suppress(OSError):
            self.connection.send(pack(answer), socket.MSG_DONTWAIT)


class Server:
    """Listens on the site's socket; hold `only_one` for as long as it lives."""

    def __init__(self, site: config.Site, networks: SharedNetworks) -> None:
        self._networks = networks
        self._waiting = Waiting(networks.most, networks.patience)
        self._clients: set[_Client] = set()
        self._selector = selectors.DefaultSelector()
        self._began: dict[int, float] = {}  # of each lane at work, since when (monotonic)
        self._failures = 0
        self._listening = make_socket()
        with short_path(site) as path:
            Path(path).unlink(missing_ok=True)
            self._listening.bind(path)
        self._listening.listen(64)
        self._selector.register(self._listening, selectors.EVENT_READ)

    def serve(self, stop: threading.Event) -> None:
        """Until ``stop`` is set.

        Raises:
            NetworksFailedError: a network hangs, or has failed several times in a row.
        """
        for lane in range(self._networks.lanes):
            threading.Thread(target=self._work, args=(lane,), daemon=True).start()
        while not stop.is_set():
            for key, _ in self._selector.select(_LOOK_SECONDS):
                if isinstance(key.data, _Client):
                    self._hear(key.data)
                else:
                    self._welcome()
            self._look_after_networks()

    def close(self) -> None:
        """Lets everybody go."""
        self._waiting.close()
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._listening.close()

    def _welcome(self) -> None:
        connection, _ = self._listening.accept()
        connection.setblocking(False)
        client = _Client(connection)
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)
        with contextlib.suppress(OSError):  # gone again: the next read says so
            connection.send(pack(self._networks.welcome))

    def _hear(self, client: _Client) -> None:
        """Takes one message."""
        handles: list[int] = []
        try:
            packet, handles, _, _ = socket.recv_fds(client.connection, MAX_BYTES, 1)
            if not packet:
                self._drop(client)
            elif client.hello is None:
                self._meet(client, unpack(Hello, packet), handles)
            else:
                self._waiting.put(client.job(unpack(Request, packet), self._networks.welcome))
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
        except MessageError as error:
            log.warning("a client is dropped", camera=client.name, error=str(error))
            self._drop(client)
        finally:
            for handle in handles:
                os.close(handle)

    def _meet(self, client: _Client, hello: Hello, handles: Sequence[int]) -> None:
        if not handles:
            raise MessageError("no memory came with the first message")
        client.region = Region(handles[0], hello)
        client.hello = hello
        self._waiting.expect(sum(1 for one in self._clients if one.hello))
        log.info("connected", camera=client.name)

    def _drop(self, client: _Client) -> None:
        if client not in self._clients:
            return
        self._clients.discard(client)
        self._waiting.expect(sum(1 for one in self._clients if one.hello))
        self._selector.unregister(client.connection)
        client.connection.close()
        if client.hello is not None:
            log.info("disconnected", camera=client.name)

    def _look_after_networks(self) -> None:
        HEARTBEAT.labels("inference").set_to_current_time()
        QUEUE.set(len(self._waiting))
        CLIENTS.set(len(self._clients))
        if self._failures >= MAX_FAILURES:
            raise NetworksFailedError(f"{self._failures} failures in a row")
        longest = time.monotonic() - min(self._began.copy().values(), default=time.monotonic())
        if longest > HUNG_SECONDS:
            raise NetworksFailedError(f"no answer from a network for {longest:.0f} s")

    def _work(self, lane: int) -> None:
        """A lane: what waits, batch after batch."""
        self._networks.prepare_thread()
        while jobs := self._waiting.take():
            wanted = [job for job in jobs if job.client in self._clients]
            self._began[lane] = time.monotonic()
            for job in wanted:
                WAITED.labels(job.load.kind.name.lower()).observe(self._began[lane] - job.arrived)
            self._run(wanted)
            del self._began[lane]

    def _run(self, jobs: Sequence[Job]) -> None:
        """Answers all of them. Where they fail together each is tried alone: a camera's trouble
        is not its neighbour's."""
        if not jobs:
            return
        kind = jobs[0].load.kind
        name = kind.name.lower()
        try:
            with TOOK.labels(name).time():
                results = self._networks.run(kind, [_client(j).pictures(j) for j in jobs])
        except Exception as error:  # what torch and onnxruntime raise has no common class
            if len(jobs) > 1:
                for job in jobs:
                    self._run([job])
                return
            self._failures += 1
            FAILURES.labels(name).inc()
            log.error("no result", camera=_client(jobs[0]).name, error=str(error))
            _client(jobs[0]).answer(jobs[0], f"{type(error).__name__}: {error}")
            return
        self._failures = 0
        PICTURES.labels(name).observe(sum(job.count for job in jobs))
        for job, result in zip(jobs, results, strict=True):
            _client(job).answer(job, result)


def _client(job: Job) -> _Client:
    assert isinstance(job.client, _Client)
    return job.client


def _bytes(request: Request) -> int:
    return request.count * request.height * request.width * 3


def _detectable(request: Request, welcome: Welcome) -> bool:
    sides = request.height, request.width
    whole = all(0 < side <= welcome.size and side % welcome.stride == 0 for side in sides)
    return whole and request.count == 1


def _embeddable(request: Request, welcome: Welcome) -> bool:
    sized = (request.height, request.width) == (welcome.crop_height, welcome.crop_width)
    return sized and request.count > 0 and request.kind == Kind.EMBED
