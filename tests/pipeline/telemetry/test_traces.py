"""Traces, received over HTTP by a program that reads the protocol."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Camera, Site, Telemetry, Traces
from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey
from pipeline.telemetry import traces
from pipeline.telemetry.identifiers import new_question, new_request
from tests.pipeline.telemetry.receiver import receiving

KEY = TrackletKey("gate", "01JGVJ9ZZZZZZZZZZZZZZZZZZZ", 3)


def site(endpoint: str, tmp_path: Path, sample: float = 1.0) -> Site:
    wanted = Traces(endpoint=endpoint, sample=sample, headers={"authorization": "Bearer KEY-1"})
    return Site(
        site="yard",
        data_dir=tmp_path / "data",
        cameras={"gate": Camera(source="0")},
        telemetry=Telemetry(traces=wanted),
    )


def test_a_span_arrives_with_its_numbers_its_parent_and_its_times(tmp_path: Path) -> None:
    place = traces.of_update("yard", KEY, 1)
    with receiving() as receiver, traces.tracing(site(receiver.endpoint, tmp_path), "worker-gate"):
        assert traces.enabled()
        inner = place.within()
        traces.record("send", inner, 1001.5, 1002.25, {}, parent=place)
        traces.record("update", place, 1000.0, 1001.5, {"camera": "gate", "seq": 1})
    send, update = sorted(receiver.spans, key=lambda span: span.name)
    assert not traces.enabled()
    assert (update.trace, update.span, update.parent) == (
        f"{place[0]:032x}",
        f"{place[1]:016x}",
        "",
    )
    assert (send.trace, send.span) == (f"{place[0]:032x}", f"{inner[1]:016x}")
    assert send.parent == update.span
    assert (update.began, update.ended, send.ended) == (1000.0, 1001.5, 1002.25)
    assert update.attributes == {"camera": "gate", "seq": 1}
    assert update.service == "camtrail-worker-gate"
    assert receiver.headers["authorization"] == "Bearer KEY-1"


def test_all_processes_choose_the_same_sample(tmp_path: Path) -> None:
    places = [traces.of_update("yard", KEY, seq) for seq in range(400)]

    def sampled(process: str) -> set[str]:
        with (
            receiving() as receiver,
            traces.tracing(site(receiver.endpoint, tmp_path, 0.25), process),
        ):
            for place in places:
                parent = place if process == "matcher" else None
                own = place.within() if parent else place
                traces.record("span", own, 1.0, 2.0, {}, parent=parent)
        return {span.trace for span in receiver.spans}

    chosen = sampled("worker")
    assert 60 < len(chosen) < 140
    assert sampled("matcher") == chosen


def test_a_receiver_that_is_away_holds_nobody_up_and_its_key_is_not_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/traces"
        began = time.monotonic()
        with traces.tracing(site(endpoint, tmp_path), "worker-gate"):
            for seq in range(100):
                traces.record("update", traces.of_update("yard", KEY, seq), 1.0, 2.0, {})
            assert time.monotonic() - began < 10
    assert "KEY-1" not in "".join(capfd.readouterr())


def test_without_the_packages_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
        with (
            pytest.raises(CamtrailError, match=r"pip install 'camtrail\[traces\]'"),
            traces.tracing(site("http://127.0.0.1:9/v1/traces", tmp_path), "matcher"),
        ):
            pass


def test_nothing_of_it_is_loaded_where_nobody_wants_it() -> None:
    program = (
        "import sys\nfrom pipeline.telemetry import process, traces\nimport pipeline.bus\n"
        "traces.record('update', traces.Place(1, 1), 0.0, 1.0, {})\n"
        "sys.exit('opentelemetry.exporter.otlp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=2, unique=True))
def test_no_two_updates_share_a_trace(named: Sequence[tuple[int, int]]) -> None:
    places = [traces.of_update("yard", KEY._replace(track=t), seq) for t, seq in named]
    assert len({place.trace for place in places}) == len(named)
    assert all(0 < p.trace < 2**128 and 0 < p.span < 2**64 for p in places)


def test_a_request_and_what_it_asks_are_of_one_trace() -> None:
    request = new_request()
    first, second = new_question(), new_question()
    assert first != second
    place = traces.of_request(request)
    assert place is not None
    for question in (first, second):
        asked = traces.of_request(question)
        assert asked is not None
        assert asked.trace == place.trace
        assert asked.span != place.span


@pytest.mark.parametrize(
    "identifier", ["", "x", "0" * 32, "1" * 31, "g" * 32, f"{'1' * 32}-{'0' * 16}", f"{'1' * 32}-1"]
)
def test_what_is_no_identifier_has_no_trace(identifier: str) -> None:
    assert traces.of_request(identifier) is None
