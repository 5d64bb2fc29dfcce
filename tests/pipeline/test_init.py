"""`camtrail init`: what it writes loads, says everything, and shows the true defaults."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import BaseModel

from pipeline import init
from pipeline.config import DEMO_ENCODER, Mqtt, Site, Traces, Webhook, load_site
from pipeline.errors import CamtrailError
from tests.unprivileged import public_folder, unprivileged

END = 1_767_600_060.0


def write_video(path: Path, seconds: int = 2, fps: int = 5) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(seconds * fps):
            image = np.full((48, 64, 3), number * 10, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    os.utime(path, (END, END))
    return path


def run(folder: Path, *sources: str, force: bool = False) -> Site:
    init.run(folder, list(sources), force=force, as_json=False)
    return load_site(folder / "site.yaml")


def test_finds_the_videos_of_a_folder(tmp_path: Path) -> None:
    write_video(tmp_path / "Front Door.mp4")
    write_video(tmp_path / "front-door.mkv")
    (tmp_path / "notes.txt").write_text("no video")
    site = run(tmp_path)
    assert set(site.cameras) == {"front-door", "front-door-2"}
    camera = site.cameras["front-door"]
    assert camera.source == str(tmp_path / "Front Door.mp4")
    assert camera.start is not None
    assert camera.start.timestamp() == pytest.approx(END - 2, abs=0.25)
    assert camera.fps is None


def test_leaves_out_what_is_no_video_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "gate.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    (tmp_path / "empty.avi").touch()
    assert set(run(tmp_path).cameras) == {"gate"}
    output = capsys.readouterr().out
    assert "broken.mp4 is left out" in output
    assert "empty.avi is left out" in output


def test_takes_sources_and_keeps_passwords_out_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACK_DOOR_PASSWORD", "hun@ter/2")
    url = "rtsp://viewer:hun@ter/2@10.0.0.5:554/stream?profile=1"
    site = run(tmp_path / "new", f"back-door={url}", "desk=0", "hall=rtsp://10.0.0.6/1")
    assert site.cameras["back-door"].source == url
    assert site.cameras["desk"].live
    assert site.cameras["hall"].source == "rtsp://10.0.0.6/1"
    written = (tmp_path / "new" / "site.yaml").read_text() + capsys.readouterr().out
    assert "hun@ter" not in written
    assert "BACK_DOOR_PASSWORD" in written


def test_keeps_secrets_of_a_query_out_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = "http://10.0.0.5/video?user=a&password=b%26hush&token=hush-t&resolution=4"
    hall = "https://me:hush-1@h.example:8443/v?mail=a@b.example&pwd=hush-2&api_key=hush-3#live"
    yard = "http://h/v?token=${T}&password=&loginpas=hush-4"
    variables = {
        "GATE_PASSWORD": "b%26hush", "GATE_TOKEN": "hush-t", "T": "t", "YARD_LOGINPAS": "hush-4",
        "HALL_PASSWORD": "hush-1", "HALL_PWD": "hush-2", "HALL_API_KEY": "hush-3",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    site = run(tmp_path, f"gate={gate}", f"hall={hall}", f"yard={yard}")
    sources = [camera.source for camera in site.cameras.values()]
    assert sources == [gate, hall, yard.replace("${T}", "t")]
    written = (tmp_path / "site.yaml").read_text() + capsys.readouterr().out
    assert "hush" not in written
    for name in variables:
        assert f"${{{name}}}" in written
    assert "set GATE_TOKEN in the environment" in written


def test_two_secrets_have_two_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {
        "a-b": "http://me:one@h/v?password=two&password=three",
        "a_b": "http://me:four@h/v",
    }
    for number, value in enumerate(("one", "two", "three", "four"), 1):
        monkeypatch.setenv("A_B_PASSWORD" + (f"_{number}" if number > 1 else ""), value)
    site = run(tmp_path, *(f"{name}={source}" for name, source in sources.items()))
    assert {name: camera.source for name, camera in site.cameras.items()} == sources


@pytest.mark.parametrize(
    "url",
    [
        "http://host:8080/a@b",
        "http://host/a:b@c",
        "http://[fe80::1]:8080/a@b",
        "http://host:8080?mail=a@b",
        "http://user@host:8080/a@b",
        "rtsp://host:554/stream?profile=1",
    ],
)
def test_a_url_without_a_secret_stays(tmp_path: Path, url: str) -> None:
    assert run(tmp_path, f"gate={url}").cameras["gate"].source == url


def test_a_password_may_hold_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "hush?a=b")
    url = "rtsp://me:hush?a=b@10.0.0.5/1"
    assert run(tmp_path, f"gate={url}").cameras["gate"].source == url
    assert "hush" not in (tmp_path / "site.yaml").read_text()


def test_a_variable_given_as_password_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASS", "x")
    site = run(tmp_path, "gate=rtsp://v:${PASS}@h/1")
    assert site.cameras["gate"].source == "rtsp://v:x@h/1"
    assert "${PASS}" in (tmp_path / "site.yaml").read_text()


@pytest.mark.parametrize("text", ["rtsp://h/1", "Gate=rtsp://h/1", "gate=", "=x", "a b=x"])
def test_refuses_sources_that_are_not_name_and_url(tmp_path: Path, text: str) -> None:
    with pytest.raises(CamtrailError, match="expected NAME=URL"):
        run(tmp_path, text)
    assert not (tmp_path / "site.yaml").exists()


def test_refuses_a_name_given_twice(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="gate is given twice"):
        run(tmp_path, "gate=0", "gate=1")


def test_refuses_to_overwrite_unless_forced(tmp_path: Path) -> None:
    run(tmp_path, "gate=0")
    with pytest.raises(CamtrailError, match="exists already; --force"):
        run(tmp_path, "hall=1")
    assert set(run(tmp_path, "hall=1", force=True).cameras) == {"hall"}


def test_says_what_to_give_where_nothing_is_found(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="--source gate=rtsp://"):
        run(tmp_path)


def test_a_folder_that_may_not_be_read() -> None:
    with public_folder() as folder:
        (folder / "closed").mkdir()
        (folder / "closed").chmod(0)
        with unprivileged(), pytest.raises(CamtrailError, match="closed: cannot be read: Perm"):
            run(folder / "closed")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CamtrailError, match="cannot be written"):
        run(tmp_path / "file" / "folder", "gate=0")


def test_a_folder_without_the_right_to_write() -> None:
    with public_folder() as folder:
        (folder / "closed").mkdir()
        (folder / "closed").chmod(0o555)
        with unprivileged(), pytest.raises(CamtrailError, match="cannot be written"):
            run(folder / "closed", "gate=0")


def test_takes_the_weights_that_lie_there(tmp_path: Path) -> None:
    for name in ("other.pt", "yolo11s.pt", "osnet.onnx", "osnet.yaml", "lonely.onnx"):
        (tmp_path / name).touch()
    site = run(tmp_path, "gate=0")
    assert site.detector.weights == str(tmp_path / "yolo11s.pt")
    assert site.encoder.path == tmp_path / "osnet.onnx"
    text = (tmp_path / "site.yaml").read_text()
    assert "Also found here: other.pt" in text
    assert "lonely.onnx" not in text


@pytest.mark.parametrize("missing", ["e.yaml", "e.bin"])
def test_takes_an_exported_encoder_where_all_of_it_is_there(tmp_path: Path, missing: str) -> None:
    for name in ("e.xml", "e.bin", "e.yaml", "detector.engine", "notes.xml"):
        (tmp_path / name).touch()
    assert run(tmp_path, "gate=0").encoder.path == tmp_path / "e.xml"
    (tmp_path / missing).unlink()
    (tmp_path / "site.yaml").unlink()
    assert run(tmp_path, "gate=0").encoder.path == DEMO_ENCODER


def test_what_is_run_like_a_program_is_not_taken_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("e.engine", "e.yaml"):
        (tmp_path / name).touch()
    assert run(tmp_path, "gate=0").encoder.path == DEMO_ENCODER
    assert "e.engine is left out: name it with its sha256" in "".join(capsys.readouterr())


def test_says_where_weights_come_from_where_none_lie_there(tmp_path: Path) -> None:
    site = run(tmp_path, "gate=0")
    assert site.detector.weights == "yolo11n.pt"
    assert site.encoder.path == DEMO_ENCODER
    text = (tmp_path / "site.yaml").read_text()
    for said in (
        "ultralytics downloads it",
        "simulated people",
        "OSNet",
        "deep-person-reid",
        "tools/export.py",
        "camtrail-train baseline",
    ):
        assert said in text


def test_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init.run(tmp_path, ["gate=0"], force=False, as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["cameras"] == ["gate"]
    assert Path(data["path"]) == tmp_path / "site.yaml"
    assert any("encoder" in note for note in data["notes"])


def test_every_key_is_there_with_its_true_default(tmp_path: Path) -> None:
    """Taking the # away from every key must change nothing but what has no default."""
    plain = run(tmp_path, "gate=rtsp://h/1", "hall=rtsp://h/2")
    path = tmp_path / "site.yaml"
    shown = re.sub(r"^( *)# ([a-z0-9_]+: )", r"\1\2", path.read_text(), flags=re.MULTILINE)
    missing = set(_keys(Site)) - set(re.findall(r"^ *([a-z0-9_]+):", shown, flags=re.MULTILINE))
    # Only a file's camera has a start; what comes with a certificate has no default, and nobody is
    # told by default, of traces neither.
    tls = {"authority", "certificate", "key"}
    sections = {*Webhook.model_fields, *Mqtt.model_fields, *Traces.model_fields}
    assert missing - sections - tls == {"start"}
    path.write_text(shown)
    loaded = load_site(path)
    assert loaded.encoder.path == tmp_path / "encoder.onnx"
    assert all(camera.fps == 10 for camera in loaded.cameras.values())
    alike = {
        "encoder": loaded.encoder.model_copy(update={"path": plain.encoder.path}),
        "cameras": {n: c.model_copy(update={"fps": None}) for n, c in loaded.cameras.items()},
    }
    assert loaded.model_copy(update=alike) == plain


def test_the_key_start_is_documented_for_files(tmp_path: Path) -> None:
    write_video(tmp_path / "gate.mp4")
    run(tmp_path)
    assert re.search(r"^ +start: 2026-", (tmp_path / "site.yaml").read_text(), re.MULTILINE)


def _keys(model: type[BaseModel]) -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(field.alias or name)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in kinds:
            if (
                isinstance(kind, type)
                and issubclass(kind, BaseModel)
                and kind.__name__ != "Transit"
            ):
                keys += _keys(kind)
    return keys
