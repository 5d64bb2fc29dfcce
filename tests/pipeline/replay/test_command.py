"""`camtrail record`, `camtrail replay` and `camtrail evaluate` as a user calls them."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.bus import EmbeddedServer, Publisher
from pipeline.cli import app
from pipeline.config import Camera, Site, load_site
from pipeline.errors import CamtrailError
from pipeline.evaluate.command import evaluate_site
from pipeline.replay.command import run_record, run_replay
from pipeline.replay.file import Recording
from pipeline.replay.record import record_bus
from pipeline.store import Store
from tests.pipeline.matcher.synthetic import Script, scripts
from tests.pipeline.replay.sites import recorded, write_truth
from tests.programs import camtrail


def test_record_replay_and_evaluate_by_the_command_line(tmp_path: Path) -> None:
    own = recorded(tmp_path / "first.camtrail", seed=2)
    truth = write_truth(tmp_path / "truth", own)
    told = camtrail("replay", tmp_path / "first.camtrail", "--out", tmp_path / "first")
    assert "times as fast" in told
    site = tmp_path / "first" / "site.yaml"
    scores = json.loads(camtrail("evaluate", site, "--truth", truth, "--json"))
    assert scores["idf1"] > 0.95
    written = camtrail("record", site, "--out", tmp_path / "second.camtrail")
    assert "no pictures: protect it" in written


def test_a_recording_of_a_replay_is_decided_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path / "first.camtrail", seed=2)
    run_replay(tmp_path / "first.camtrail", None, tmp_path / "out", as_json=True)
    site = load_site(tmp_path / "out" / "site.yaml")
    run_record(site, tmp_path / "second.camtrail", None, None, as_json=True)
    run_replay(tmp_path / "second.camtrail", None, None, as_json=True)
    first, _, second = capsys.readouterr().out.replace("}\n{", "}\0{").split("\0")
    assert json.loads(first)["decisions"] == json.loads(second)["decisions"]


def test_the_result_is_a_site_that_can_be_looked_at(tmp_path: Path) -> None:
    own = recorded(tmp_path / "yard.camtrail", seed=2)
    run_replay(tmp_path / "yard.camtrail", None, tmp_path / "out", as_json=False)
    site = load_site(tmp_path / "out" / "site.yaml")
    assert list(site.cameras) == ["a", "b", "c"]
    result = evaluate_site(site, write_truth(tmp_path / "truth", own))
    assert result.overall.people == 5
    with Store.open(site.store_url, read_only=True) as store:
        assert len(store.identities()) == result.identities
    assert not (tmp_path / "out.partial").exists()


def test_settings_of_another_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    cameras = ", ".join(f"{name}: {{source: {name}.mp4}}" for name in "abcd")
    gallery = "'http://bob:sekret99@10.0.0.5:19530'"
    text = f"site: other\ncameras: {{{cameras}}}\n"
    text += f"matcher: {{accept: 0.99, new: 0.98, gallery: {gallery}}}\n"
    text += "topology: {overlap: [[a, d]]}\n"
    (tmp_path / "site.yaml").write_text(text)
    for given in (None, tmp_path / "site.yaml"):
        run_replay(tmp_path / "yard.camtrail", given, tmp_path / "out", as_json=True)
    usual, strict = capsys.readouterr().out.replace("}\n{", "}\0{").split("\0")
    assert json.loads(strict)["identities"] > json.loads(usual)["identities"]
    used = load_site(tmp_path / "out" / "site.yaml")
    assert (used.matcher.accept, list(used.cameras)) == (0.99, ["a", "b", "c", "d"])
    assert used.matcher.gallery == "memory"  # what it does not use is nobody's to read


def test_a_folder_with_something_else_in_it(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(CamtrailError, match="holds something else than a replay"):
        run_replay(tmp_path / "yard.camtrail", None, tmp_path / "mine", as_json=False)
    assert (tmp_path / "mine" / "letter.txt").exists()
    (tmp_path / "mine").rename(tmp_path / "out.partial")
    with pytest.raises(CamtrailError, match="holds something else than a replay"):
        run_replay(tmp_path / "yard.camtrail", None, tmp_path / "out", as_json=False)
    assert (tmp_path / "out.partial" / "letter.txt").exists()


def test_a_replay_that_fails_leaves_the_former_one(tmp_path: Path) -> None:
    file = tmp_path / "yard.camtrail"
    recorded(file, seed=2)
    run_replay(file, None, tmp_path / "out", as_json=False)
    before = (tmp_path / "out" / "data" / "camtrail.sqlite").read_bytes()
    data = file.read_bytes()
    middle = len(data) // 2
    file.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    with pytest.raises(CamtrailError, match="is no whole recording"):
        run_replay(file, None, tmp_path / "out", as_json=False)
    assert (tmp_path / "out" / "data" / "camtrail.sqlite").read_bytes() == before
    assert not (tmp_path / "out.partial").exists()


def test_a_time_that_is_none(tmp_path: Path) -> None:
    recorded(tmp_path / "yard.camtrail", seed=2)
    run_replay(tmp_path / "yard.camtrail", None, tmp_path / "out", as_json=False)
    site = load_site(tmp_path / "out" / "site.yaml")
    with pytest.raises(CamtrailError, match="--since yesterday: expected a time"):
        run_record(site, tmp_path / "again.camtrail", "yesterday", None, as_json=False)


def test_what_comes_over_the_bus_is_recorded_until_the_files_are_at_their_end(
    tmp_path: Path,
) -> None:
    own = scripts(2)
    site = Site(
        site="yard",
        data_dir=tmp_path / "data",
        cameras={s.camera: Camera(source=f"{s.camera}.mp4") for s in own},  # type: ignore[call-arg]
    )
    Store.open(site.store_url).close()
    server = EmbeddedServer(site)
    server.start()
    try:
        listening = threading.Event()
        recorder = threading.Thread(target=_follow, args=(site, tmp_path / "bus", listening))
        recorder.start()
        assert listening.wait(30)
        for script in own:
            _publish(site, script)
        recorder.join(60)
        assert not recorder.is_alive()
    finally:
        server.stop()
    recording = Recording(tmp_path / "bus")
    sent = [e for script in own for e in script.envelopes()]
    assert recording.summary.messages == len(sent)
    found = [(e.camera, e.number, type(e.body)) for e in recording.messages()]
    assert sorted(found, key=str) == sorted(
        ((e.camera, e.number, type(e.body)) for e in sent), key=str
    )


def _follow(site: Site, out: Path, listening: threading.Event) -> None:
    record_bus(site, out, threading.Event(), listening.set)


def _publish(site: Site, script: Script) -> None:
    with Publisher(site, script.camera) as publisher:
        publisher.put([replace(e.body, run=publisher.run) for e in script.envelopes()])
        assert publisher.wait_sent(30)


def test_what_comes_has_no_since(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["record", "--follow", "--since", "1h", "--out", "bus"])
    assert isinstance(result.exception, CamtrailError)
    assert "leave --since and --until out" in str(result.exception)


def test_following_a_site_that_does_not_run(tmp_path: Path) -> None:
    site = Site(
        site="yard",
        data_dir=tmp_path,
        cameras={"a": Camera(source="a.mp4")},  # type: ignore[call-arg]
    )
    Store.open(site.store_url).close()
    with pytest.raises(CamtrailError, match="is `camtrail run` running"):
        record_bus(site, tmp_path / "bus", threading.Event())
    assert not (tmp_path / "bus").exists()
