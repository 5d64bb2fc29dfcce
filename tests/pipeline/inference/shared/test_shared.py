"""The real server with real networks, in a thread; clients as workers have them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.detector import Detector
from pipeline.inference.encoder import EncoderRuntime
from pipeline.inference.networks import open_networks
from pipeline.inference.shared import server as module
from pipeline.inference.shared.address import folder, make_socket, short_path
from pipeline.inference.shared.client import Client, SharedDetector, SharedEncoder, StoppedError
from pipeline.inference.shared.messages import (
    MAX_BYTES,
    Answer,
    Hello,
    Kind,
    Request,
    Welcome,
    pack,
    unpack,
)
from pipeline.inference.shared.networks import SharedNetworks
from pipeline.inference.shared.region import make_region
from pipeline.inference.shared.server import MAX_FAILURES, NetworksFailedError, Server, only_one
from pipeline.inference.suppression import MAX_PERSONS
from pipeline.records import Detections, FloatArray, Image
from pipeline.telemetry.metrics import REGISTRY
from tests.pipeline.bus.samples import wait_for

SHAPES = [(96, 160), (120, 90), (192, 320), (60, 200)]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def site(tmp_path: Path, weights: Path, encoder_file: Path) -> config.Site:
    return config.Site(
        site="yard",
        data_dir=tmp_path / ("long" * 40),  # longer than the address of a socket
        inference="shared",
        detector=config.Detector(
            weights=str(weights), confidence=1e-5, image_size=160, device="cpu"
        ),
        encoder=config.Encoder(path=encoder_file, device="cpu", batch=5),
        cameras={name: config.Camera(source=f"{name}.mp4") for name in ("gate", "hall")},
    )


class Batching(SharedNetworks):
    """Lets pictures go together, as on a GPU; notes how many did."""

    def __init__(self, site: config.Site, most: int = 4, patience: float = 0.5) -> None:
        super().__init__(site)
        self.lanes = 1
        self.most = dict.fromkeys(Kind, most)
        self.patience = patience
        self.together: list[tuple[Kind, int]] = []

    def run(self, kind: Kind, requests: Sequence[Image]) -> list[FloatArray]:
        self.together.append((kind, len(requests)))
        return super().run(kind, requests)


def counted(name: str) -> float:
    value = REGISTRY.get_sample_value(f"camtrail_inference_{name}", {"kind": "detect"})
    return value or 0.0


class Running:
    """A server at work."""

    def __init__(self, site: config.Site, networks: SharedNetworks) -> None:
        self.networks = networks
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._open = ExitStack()
        self._open.enter_context(only_one(site))
        self.server = self._open.enter_context(closing(Server(site, networks)))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        try:
            self.server.serve(self._stop)
        except NetworksFailedError as error:
            self.error = error

    def close(self) -> None:
        self._stop.set()
        self.thread.join(60)
        self._open.close()


Start = Callable[..., Running]


@pytest.fixture
def start(site: config.Site) -> Iterator[Start]:
    """Starts a server for the site."""
    with ExitStack() as stack:

        def begin(networks: SharedNetworks | None = None) -> Running:
            networks = networks or SharedNetworks(site)
            torch.set_num_threads(1)  # of this thread again, for a camera's own networks
            return stack.enter_context(closing(Running(site, networks)))

        yield begin


def pictures(count: int, seed: int = 3) -> list[Image]:
    rng = np.random.default_rng(seed)
    shapes = [SHAPES[number % len(SHAPES)] for number in range(count)]
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


def assert_equal(found: Detections, wanted: Detections) -> None:
    assert len(found) > 0
    np.testing.assert_array_equal(found.boxes, wanted.boxes)
    np.testing.assert_array_equal(found.confidences, wanted.confidences)


def test_results_are_to_the_bit_those_of_a_cameras_own_networks(
    site: config.Site, start: Start
) -> None:
    start()
    detector, encoder = Detector(site.detector), EncoderRuntime(site.encoder, 1)
    images, crops = pictures(9), pictures(13, seed=4)
    never = threading.Event()
    with open_networks(site, "gate", never) as one, open_networks(site, "hall", never) as two:
        assert (one.encoder.fingerprint, one.encoder.line) == (encoder.fingerprint, encoder.line)
        for networks in (one, two):
            for found, image in zip(networks.detector.detect(images), images, strict=True):
                assert_equal(found, detector.detect([image])[0])
            embeddings = networks.encoder.embed(crops)
            assert embeddings.dtype == np.float32
            np.testing.assert_array_equal(embeddings, encoder.embed(crops))
            assert networks.encoder.embed([]).shape == (0, encoder.dimension)


def test_a_worker_that_shares_networks_loads_no_torch() -> None:
    code = "import sys, pipeline.camera.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_pictures_of_several_cameras_go_together_and_come_back_to_whom_they_belong(
    site: config.Site, start: Start
) -> None:
    networks = Batching(site)
    before = [counted(name) for name in ("batch_pictures_sum", "batch_pictures_count")]
    waited = counted("wait_seconds_count")
    start(networks)
    own = Detector(site.detector)
    images = {name: pictures(8, seed) for seed, name in enumerate(("gate", "hall", "roof"))}
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        never = threading.Event()
        detectors = {
            name: SharedDetector(stack.enter_context(closing(Client(site, name, never))))
            for name in images
        }
        found = {name: pool.submit(detectors[name].detect, images[name]) for name in images}
        for name, results in found.items():
            for result, image in zip(results.result(), images[name], strict=True):
                wanted = own.detect([image])[0]
                assert len(result) == len(wanted) > 0
                np.testing.assert_allclose(
                    np.sort(result.confidences), np.sort(wanted.confidences), atol=1e-4
                )
                for box in result.boxes:  # equal confidences may come in another order
                    assert np.abs(wanted.boxes - box).max(1).min() < 0.05
    assert sum(count for _, count in networks.together) == 24
    assert counted("batch_pictures_sum") - before[0] == 24
    assert counted("batch_pictures_count") - before[1] == len(networks.together)
    assert counted("wait_seconds_count") - waited == 24
    assert max(count for _, count in networks.together) > 1


def test_many_more_pictures_than_slots_wait_their_turn(site: config.Site, start: Start) -> None:
    start()
    own = Detector(site.detector)
    images = pictures(20)
    with closing(Client(site, "gate", threading.Event())) as client:
        found = SharedDetector(client).detect(images)
    for result, image in zip(found, images, strict=True):
        assert_equal(result, own.detect([image])[0])


class Failing(Batching):
    """Breaks at every batch that holds a black picture."""

    def run(self, kind: Kind, requests: Sequence[Image]) -> list[FloatArray]:
        if kind is Kind.DETECT and any(not request.any() for request in requests):
            raise RuntimeError("out of memory")
        return super().run(kind, requests)


def test_a_cameras_trouble_is_not_its_neighbours(site: config.Site, start: Start) -> None:
    failures = counted("failures_total")
    start(Failing(site))
    black, image = np.zeros((160, 160, 3), np.uint8), pictures(5)[0]
    never = threading.Event()
    square = np.ascontiguousarray(np.broadcast_to(image[:96, :96], (96, 96, 3)))
    with closing(Client(site, "gate", never)) as one, closing(Client(site, "hall", never)) as two:
        bad = one.submit(Kind.DETECT, [black], 5)
        good = two.submit(Kind.DETECT, [np.asarray(np.resize(square, black.shape))], 5)
        with pytest.raises(CamtrailError, match=r"inference process: RuntimeError: out of memory"):
            bad.result(60)
        assert len(good.result(60)) > 0
        assert len(SharedDetector(one).detect([image])[0]) > 0  # and goes on
    assert counted("failures_total") == failures + 1


def test_networks_that_keep_failing_end_the_process(site: config.Site, start: Start) -> None:
    running = start(Failing(site))
    black = np.zeros((160, 160, 3), np.uint8)
    with closing(Client(site, "gate", threading.Event())) as client:
        for _ in range(MAX_FAILURES):
            with pytest.raises(CamtrailError):
                SharedDetector(client).detect([black])
        assert wait_for(lambda: running.error, 60)
    assert str(running.error) == f"{MAX_FAILURES} failures in a row"


class Hanging(SharedNetworks):
    """Does not come back until it is let go."""

    go: threading.Event

    def run(self, kind: Kind, requests: Sequence[Image]) -> list[FloatArray]:
        assert self.go.wait(120)
        return super().run(kind, requests)


def test_a_network_that_hangs_ends_the_process(
    site: config.Site, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG_SECONDS", 0.2)
    networks = Hanging(site)
    networks.go = threading.Event()
    running = start(networks)
    with closing(Client(site, "gate", threading.Event())) as client:
        found = client.submit(Kind.DETECT, [pictures(1)[0]], 5)
        assert wait_for(lambda: running.error, 60)
        assert "no answer from a network" in str(running.error)
        networks.go.set()
        assert len(found.result(60)) > 0  # nobody has closed the connection yet


def test_what_was_not_answered_is_asked_of_the_next_process(
    site: config.Site, start: Start
) -> None:
    networks = Hanging(site)
    networks.go = threading.Event()
    first = start(networks)
    images = pictures(6)
    own = Detector(site.detector)
    with closing(Client(site, "gate", threading.Event())) as client, ThreadPoolExecutor(1) as pool:
        found = pool.submit(SharedDetector(client).detect, images)
        assert wait_for(lambda: len(first.server._began) > 0, 60)
        first.close()
        assert not found.done()
        start()
        for result, image in zip(found.result(120), images, strict=True):
            assert_equal(result, own.detect([image])[0])
        networks.go.set()


def test_a_worker_is_told_that_the_process_has_other_settings(
    site: config.Site, start: Start
) -> None:
    start()
    other = site.detector.model_copy(update={"confidence": 0.5})
    with pytest.raises(CamtrailError, match="another `detector` or `encoder` than"):
        Client(site.model_copy(update={"detector": other}), "gate", threading.Event())


def test_a_process_with_another_encoder_is_not_taken_for_the_former_one(
    site: config.Site, start: Start
) -> None:
    first = start()
    with closing(Client(site, "gate", threading.Event())) as client:
        detector = SharedDetector(client)
        assert detector.detect(pictures(1))
        first.close()
        networks = SharedNetworks(site)
        networks.welcome = Welcome(**{**_fields(networks.welcome), "fingerprint": "0" * 32})
        start(networks)
        with pytest.raises(CamtrailError, match="has other networks than before"):
            detector.detect(pictures(1))


def _fields(welcome: Welcome) -> dict[str, object]:
    return {name: getattr(welcome, name) for name in Welcome.__slots__}


def test_a_stop_ends_the_wait_for_a_process_that_is_away(site: config.Site, start: Start) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):  # there never was one, not even its folder
        Client(site, "gate", stop)
    stop.clear()
    running = start()
    with closing(Client(site, "gate", stop)) as client, ThreadPoolExecutor(1) as pool:
        running.close()
        found = pool.submit(SharedDetector(client).detect, pictures(1))
        stop.set()
        with pytest.raises(StoppedError):
            found.result(60)
        with pytest.raises(StoppedError):
            SharedEncoder(client, 5).embed(pictures(1))


def test_only_one_process_serves_a_site(
    site: config.Site, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.0)
    with pytest.raises(CamtrailError, match="another inference process serves"), only_one(site):
        pass
    assert oct(folder(site).stat().st_mode)[-3:] == "700"


class Stranger:
    """A client that says what it likes."""

    HELLO = Hello("odd", 2, 160 * 160 * 3, 4 * 5 * MAX_PERSONS)

    def __init__(self, site: config.Site) -> None:
        self.connection = make_socket()
        self.connection.settimeout(60)
        with short_path(site) as path:
            self.connection.connect(path)
        self.welcome = unpack(Welcome, self.connection.recv(MAX_BYTES))

    def greet(self) -> None:
        handle, _ = make_region(self.HELLO)
        socket.send_fds(self.connection, [pack(self.HELLO)], [handle])
        os.close(handle)

    def is_dropped(self) -> bool:
        try:
            return self.connection.recv(MAX_BYTES) == b""
        except ConnectionError:
            return True


REQUEST = Request(1, "detect", 0, 1, 96, 160)


@pytest.mark.parametrize(
    "packet",
    [
        b"\xc1",
        pack(Hello("odd", 1, 4, 4)),
        pack(Request(1, "blur", 0, 1, 96, 160)),
        pack(Request(1, "detect", 2, 1, 96, 160)),
        pack(Request(1, "detect", -1, 1, 96, 160)),
        pack(Request(1, "detect", 0, 2, 96, 160)),
        pack(Request(1, "detect", 0, 0, 96, 160)),
        pack(Request(1, "detect", 0, 1, 97, 160)),
        pack(Request(1, "detect", 0, 1, 320, 160)),
        pack(Request(1, "detect", 0, 1, -32, -32)),
        pack(Request(1, "embed", 0, 1, 96, 160)),
        pack(Request(1, "embed", 0, 1000, 64, 32)),
        pack(Request(1, "embed", 0, -1, 64, 32)),
    ],
)
def test_who_sends_nonsense_is_dropped_and_nobody_else(
    site: config.Site, start: Start, packet: bytes
) -> None:
    start()
    with closing(Client(site, "gate", threading.Event())) as client:
        stranger = Stranger(site)
        stranger.greet()
        stranger.connection.send(packet)
        assert stranger.is_dropped()
        assert len(SharedDetector(client).detect(pictures(1))[0]) > 0


def test_memory_is_needed_first_and_a_busy_slot_is_not_taken_again(
    site: config.Site, start: Start
) -> None:
    networks = Hanging(site)
    networks.go = threading.Event()
    start(networks)
    for packet in (pack(REQUEST), pack(Stranger.HELLO)):  # no memory comes with it
        stranger = Stranger(site)
        stranger.connection.send(packet)
        assert stranger.is_dropped()
    stranger = Stranger(site)
    stranger.greet()
    stranger.connection.send(pack(REQUEST))
    stranger.connection.send(pack(REQUEST))
    assert stranger.is_dropped()
    networks.go.set()


def test_a_client_that_goes_away_leaves_nothing_behind(site: config.Site, start: Start) -> None:
    networks = Hanging(site)
    networks.go = threading.Event()
    running = start(networks)
    stranger = Stranger(site)
    stranger.greet()
    stranger.connection.send(pack(REQUEST))
    assert wait_for(lambda: len(running.server._began) > 0, 60)
    stranger.connection.close()
    assert wait_for(lambda: not running.server._clients, 60)
    networks.go.set()
    with closing(Client(site, "gate", threading.Event())) as client:
        assert len(SharedDetector(client).detect(pictures(1))[0]) > 0


def test_an_answer_that_nobody_reads_holds_nobody_up(site: config.Site, start: Start) -> None:
    start()
    deaf = Stranger(site)
    deaf.greet()
    with closing(Client(site, "gate", threading.Event())) as client:
        began = time.monotonic()
        for number in range(2):
            request = Request(number, "detect", number, 1, 96, 160)
            deaf.connection.send(pack(request))
        assert len(SharedDetector(client).detect(pictures(8))) == 8
        assert time.monotonic() - began < 60
    answers = {unpack(Answer, deaf.connection.recv(MAX_BYTES)).number for _ in range(2)}
    assert answers == {0, 1}
