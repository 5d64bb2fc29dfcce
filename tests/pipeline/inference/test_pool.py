from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference import exported
from pipeline.inference.detector import Detector
from pipeline.inference.pool import DetectorPool
from pipeline.inference.runtimes.onnx import OnnxNetwork
from pipeline.records import Detections, Image

SHAPES = [(96, 160), (120, 90), (96, 160), (60, 200)]


@pytest.fixture(params=["exported", "torch"])
def three(
    weights: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Detector]:
    """A detector with three threads, in each runtime that a processor has for weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    if request.param == "torch":
        monkeypatch.setattr(exported, "exported_once", lambda _: None)
    yield Detector(options(weights), threads=3)
    torch.set_num_threads(before)


def options(weights: Path) -> config.Detector:
    return config.Detector(weights=str(weights), confidence=1e-5, image_size=160, device="cpu")


def pictures(count: int) -> list[Image]:
    rng = np.random.default_rng(3)
    shapes = [SHAPES[number % len(SHAPES)] for number in range(count)]
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


def assert_equal(found: Detections, wanted: Detections) -> None:
    assert len(found) > 0
    np.testing.assert_array_equal(found.boxes, wanted.boxes)
    np.testing.assert_array_equal(found.confidences, wanted.confidences)


def test_several_networks_at_once_find_what_one_finds(three: Detector) -> None:
    images = pictures(16)
    with closing(DetectorPool(three, live=False)) as pool:
        assert pool.ahead == 3
        together = [found.result()[0] for found in [pool.begin([image]) for image in images]]
    assert torch.get_num_threads() == 3
    three.share(3)()  # one thread, as they had
    for found, image in zip(together, images, strict=True):
        assert_equal(found, three.detect([image])[0])


class Meeting:
    """Goes on when as many threads as expected have come, and notes what each was given."""

    at_once = 3

    def __init__(self, threads: int) -> None:
        self._all = threading.Barrier(threads, timeout=60)
        self._own = threading.local()
        self.shares: list[int] = []

    def share(self, networks: int) -> Callable[[], None]:
        return lambda: setattr(self._own, "share", 3 // networks)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.shares.append(self._own.share)
        self._all.wait()
        return []


@pytest.mark.parametrize(("live", "ahead", "shares"), [(False, 3, [1, 1, 1]), (True, 0, [3])])
def test_a_files_pictures_run_side_by_side_and_a_live_camera_has_all_threads(
    live: bool, ahead: int, shares: list[int]
) -> None:
    detector = Meeting(len(shares))
    with closing(DetectorPool(detector, live)) as pool:
        assert pool.ahead == ahead
        for begun in [pool.begin(pictures(1)) for _ in shares]:
            begun.result()
    assert detector.shares == shares


def test_each_thread_gets_its_share_of_the_processor(three: Detector) -> None:
    network = three._network
    given: list[int] = []
    for networks in (1, 3, 5):
        with ThreadPoolExecutor(1, initializer=three.share(networks)) as pool:
            pool.submit(three.detect, pictures(1)).result()
            if isinstance(network, OnnxNetwork):
                session = pool.submit(network._session).result()
                given.append(session.get_session_options().intra_op_num_threads)
            else:
                given.append(pool.submit(torch.get_num_threads).result())
    assert given == [3, 1, 1]


class Waiting(Detector):
    """Says that a thread has come, and holds it until it may go on."""

    def __init__(self, options: config.Detector) -> None:
        super().__init__(options, threads=3)
        self.come = threading.Semaphore(0)
        self.go = threading.Event()

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.come.release()
        assert self.go.wait(60)
        return super().detect(images)


def test_what_has_only_been_begun_is_dropped_at_the_end(weights: Path) -> None:
    detector = Waiting(options(weights))
    pool = DetectorPool(detector, live=False)
    begun = [pool.begin(pictures(1)) for _ in range(5)]
    assert all(detector.come.acquire(timeout=60) for _ in range(3))  # all networks are at work
    begun[-1].add_done_callback(lambda _: detector.go.set())
    pool.close()
    assert [one.cancelled() for one in begun] == [False, False, False, True, True]
    assert all(one.result() for one in begun[:3])


class Broken(Detector):
    def detect(self, images: Sequence[Image]) -> list[Detections]:
        raise CamtrailError("out of memory")


def test_an_error_reaches_the_one_who_asks(weights: Path) -> None:
    with closing(DetectorPool(Broken(options(weights)), live=False)) as pool:
        begun = pool.begin(pictures(1))
        with pytest.raises(CamtrailError, match="out of memory"):
            begun.result()
