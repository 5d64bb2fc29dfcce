"""One trace of what a worker and a matcher in another process do about one update."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import yaml

from pipeline.bus import EmbeddedServer, Keys, ask, connect
from pipeline.config import Site, load_site
from pipeline.telemetry import traces
from pipeline.telemetry.identifiers import new_request
from tests.pipeline.matcher.test_service import PATIENCE, Cameras, until
from tests.pipeline.telemetry.receiver import receiving


def test_an_update_is_followed_from_the_spool_to_the_decision(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str], tmp_path: Path
) -> None:
    with receiving() as receiver, ExitStack() as stack:
        file = tmp_path / "site.yaml"
        text = {
            "site": site.site,
            "data_dir": str(site.data_dir),
            "encoder": {"path": str(encoder[0])},
            "cameras": {name: {"source": f"{name}.mp4"} for name in site.cameras},
            "telemetry": {"traces": {"endpoint": receiver.endpoint}},
        }
        file.write_text(yaml.safe_dump(text))
        wanted = load_site(file)
        command = [sys.executable, "-m", "pipeline.cli", "matcher", str(file), "--json-logs"]
        matcher = stack.enter_context(subprocess.Popen(command))
        stack.callback(matcher.terminate)
        with traces.tracing(wanted, "worker"), ExitStack() as workers:
            cameras = Cameras(wanted, encoder[1], workers)
            for camera in site.cameras:
                cameras.put(camera)
            assert cameras.all_committed(3 * PATIENCE)
            request = new_request()
            answer = ask(
                connect(wanted),
                Keys(site.site),
                "rename",
                "Ada",
                {"identity": 1, "name": None},
                120,
            )
            assert answer["identity"] == 1
        until(lambda: len(receiver.named("commit")) >= cameras.updates)
        until(lambda: receiver.named("carry out"))
        updates = {span.trace: span for span in receiver.named("update")}
        assert len(updates) == cameras.updates
        for name, service in (("send", "camtrail-worker"), ("commit", "camtrail-matcher")):
            children = {span.trace: span for span in receiver.named(name)}
            assert children.keys() == updates.keys()
            for trace, span in children.items():
                assert (span.service, span.parent) == (service, updates[trace].span)
                assert span.began >= updates[trace].began
        decisions = receiver.named("decision")
        assert {span.trace for span in decisions} <= updates.keys()
        for span in decisions:
            assert span.attributes["tracklet"] == updates[span.trace].attributes["tracklet"]
        assert {"new", "matched"} <= {span.attributes["decision"] for span in decisions}
        (asked,), (done,) = receiver.named("ask"), receiver.named("carry out")
        assert asked.trace == done.trace == request
        assert done.parent == asked.span
        assert done.attributes == {"kind": "rename"}
