"""site.yaml: what it takes, and how it says what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import (
    MAX_CONFIG_BYTES,
    effective,
    load_site,
    metrics_address,
    redact,
    redact_url,
)
from pipeline.errors import CamtrailError
from tests.unprivileged import public_folder, unprivileged

MINIMAL = "site: campus\ncameras: {gate: {source: gate.mp4}}\n"
DESIGN = """
site: campus
data_dir: data                    # store, crops, spool, the embedded Redis
redis: embedded                   # or rediss://user:${REDIS_PASSWORD}@host:6379/0
store: sqlite                     # or postgresql+psycopg://user:${DB_PASSWORD}@host/camtrail
detector: {weights: yolo11n.pt, confidence: 0.25, image_size: 640, device: auto}
encoder: {path: encoder.safetensors, device: auto}
tracker: {name: bytetrack}
cameras:
  gate: {source: "rtsp://viewer:${GATE_PASSWORD}@gate.example/stream1", fps: 10}
  lobby: {source: lobby.mp4, start: 2026-01-05T08:00:00Z}
topology:
  overlap: []                     # pairs of cameras that see the same ground
  transit: [{from: gate, to: lobby, seconds: [5, 90]}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(CamtrailError) as caught:
        load_site(write(folder, text))
    return str(caught.value)


def test_reads_the_example_of_the_design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "s3cret")
    site = load_site(write(tmp_path, DESIGN))
    assert site.cameras["gate"].source == "rtsp://viewer:s3cret@gate.example/stream1"
    assert site.cameras["gate"].live
    assert site.cameras["lobby"].source == str(tmp_path / "lobby.mp4")
    assert not site.cameras["lobby"].live
    assert site.cameras["lobby"].start == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert site.data_dir == tmp_path / "data"
    assert site.store_url == f"sqlite:///{tmp_path}/data/camtrail.sqlite"
    assert site.encoder.path == tmp_path / "encoder.safetensors"
    assert site.detector.weights == "yolo11n.pt"
    assert site.topology.transit[0].from_ == "gate"
    assert site.topology.transit[0].seconds == (5.0, 90.0)


def test_paths_are_relative_to_the_file_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, MINIMAL)
    monkeypatch.chdir(tmp_path)
    site = load_site(Path("site.yaml"))
    assert site.cameras["gate"].source == str(tmp_path / "gate.mp4")
    assert site.data_dir.is_absolute()


def test_weights_beside_the_file_are_found_by_their_bare_name(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").touch()
    path = write(tmp_path, MINIMAL + "detector: {weights: mine.pt}\n")
    assert load_site(path).detector.weights == str(tmp_path / "mine.pt")


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("rtsp://h/1", True),
        ("http://h/video.mjpg", True),
        ("0", True),
        ("/dev/video0", True),
        ("gate.mp4", False),
        ("frames/", False),
    ],
)
def test_which_sources_are_live(tmp_path: Path, source: str, live: bool) -> None:
    path = write(tmp_path, f"site: s\ncameras: {{gate: {{source: '{source}'}}}}\n")
    camera = load_site(path).cameras["gate"]
    assert camera.live is live
    assert (camera.source == source) is live


@pytest.mark.parametrize("name", ["detector", "encoder", "tracker", "topology", "matcher", "spool"])
def test_a_section_left_empty_means_its_defaults(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"{MINIMAL}{name}:\n  # nothing: 1\n")
    assert load_site(path) == load_site(write(tmp_path, MINIMAL))


def test_a_certificate_lies_beside_the_file(tmp_path: Path) -> None:
    tls = "viewer: {tls: {certificate: tls/cert.pem, key: /etc/key.pem}}\n"
    found = load_site(write(tmp_path, MINIMAL + tls)).viewer.tls
    assert found is not None
    assert (found.certificate, found.key) == (tmp_path / "tls/cert.pem", Path("/etc/key.pem"))


def test_a_data_dir_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/within"):
        said = complaint(tmp_path, f"{MINIMAL}data_dir: {name}\n")
        assert f"{tmp_path / name}: cannot be used as data_dir (Not a directory)" in said
        assert "encoder" not in said


def test_a_data_dir_without_the_right_to_read_is_named() -> None:
    with public_folder() as folder:
        path = write(folder, f"{MINIMAL}data_dir: closed\n")
        (folder / "closed" / "encoders").mkdir(parents=True)
        (folder / "closed").chmod(0)
        with unprivileged(), pytest.raises(CamtrailError) as caught:
            load_site(path)
    said = f"{folder / 'closed'}: cannot be used as data_dir (Permission denied)"
    assert said in str(caught.value)


def test_the_record_of_encoders_without_the_right_to_read_is_named() -> None:
    with public_folder() as folder:
        path = write(folder, MINIMAL)
        record = folder / "data" / "encoders" / "current.json"
        record.parent.mkdir(parents=True)
        record.touch()
        record.chmod(0)
        with unprivileged(), pytest.raises(CamtrailError) as caught:
            load_site(path)
    assert f"{record}: Permission denied; restore it" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('data_dir: "a\\0b"\n', "data_dir"),
        ('floor_plan: "a\\0b"\n', "floor_plan"),
        ('encoder: {path: "a\\0b"}\n', "encoder.path"),
        ('detector: {weights: "a\\0b"}\n', "detector.weights"),
        ('encryption: {key_file: "a\\0b"}\n', "encryption.key_file"),
        ('notify: {mqtt: {host: h, authority: "a\\0b"}}\n', "notify.mqtt.authority"),
    ],
)
def test_no_path_holds_a_null_byte(tmp_path: Path, text: str, place: str) -> None:
    assert f"{place}: a null byte is allowed nowhere" in complaint(tmp_path, MINIMAL + text)


def test_no_source_holds_a_null_byte(tmp_path: Path) -> None:
    text = 'site: s\ncameras: {gate: {source: "a\\0b"}}\n'
    said = complaint(tmp_path, text)
    assert "cameras.gate.source: a null byte is allowed nowhere" in said
    assert "\0" not in said


def test_accept_is_not_below_new(tmp_path: Path) -> None:
    said = complaint(tmp_path, f"{MINIMAL}matcher: {{accept: 0.2, new: 0.6}}\n")
    assert "matcher: accept (0.2) is below new (0.6)" in said
    for right in ("accept: 0.6, new: 0.6", "accept: 0.2", "new: 0.6"):
        load_site(write(tmp_path, f"{MINIMAL}matcher: {{{right}}}\n"))


def test_a_start_without_a_zone_is_utc(tmp_path: Path) -> None:
    path = write(tmp_path, "site: s\ncameras: {a: {source: a.mp4, start: 2026-01-05T08:00:00}}\n")
    assert load_site(path).cameras["a"].start == datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "colour: red\n", "colour: unknown key; allowed here: site, data_dir, redis"),
        (
            MINIMAL + "detector: {wieghts: x.pt}\n",
            "detector.wieghts: unknown key; allowed here: weights, sha256",
        ),
        (
            "site: s\ncameras: {gate: {source: a.mp4, url: x}}\n",
            "cameras.gate.url: unknown key; allowed here: source, start, fps",
        ),
        (
            MINIMAL + "topology: {transit: [{from: gate, to: gate, secs: [1, 2]}]}\n",
            "topology.transit.0.secs: unknown key; allowed here: from, to, seconds",
        ),
        (
            MINIMAL + "viewer: {tls: {certificate: a.pem, keys: b.pem}}\n",
            "viewer.tls.keys: unknown key; allowed here: certificate, key",
        ),
        (MINIMAL + "viewer: {names: ['https://camtrail.example']}\n", "viewer.names.0: is no host"),
        (MINIMAL + "viewer: {behind_proxy: [everybody]}\n", "viewer.behind_proxy.0: value is not"),
        (MINIMAL + "tracker: {name: deepsort}\n", "'bytetrack', 'botsort', 'ocsort' or 'sort'"),
        (MINIMAL + "detector: {confidence: 7}\n", "detector.confidence: Input should be less than"),
        (MINIMAL + "detector: {confidence: high}\n", "valid number, unable to parse"),
        (
            MINIMAL + "detector: {confidence: .nan}\n",
            "detector.confidence: Input should be a finite",
        ),
        (MINIMAL + "detector: {image_size: 650}\n", "multiple of 32"),
        (MINIMAL + "redis: localhost\n", "redis: allowed: embedded, redis://"),
        (MINIMAL + "matcher: {gallery: milvus}\n", "matcher.gallery: allowed: memory, http://"),
        (MINIMAL + "store: mysql://h/x\n", "store: allowed: sqlite"),
        ("site: s\n", "cameras: is missing"),
        ("cameras: {a: {source: a.mp4}}\n", "site: is missing"),
        ("site: s\ncameras: {}\n", "cameras: "),
        ("site: s\ncameras: {gate: {fps: 5}}\n", "cameras.gate.source: is missing"),
        ("site: s\ncameras: {Gate: {source: a.mp4}}\n", "names are lower-case letters"),
        ("site: My Site\ncameras: {a: {source: a.mp4}}\n", "site: names are lower-case letters"),
        (
            "site: s\ncameras:\n  gate: {source: a.mp4}\n  gate: {source: b.mp4}\n",
            "'gate' is given twice",
        ),
        (MINIMAL + "topology: {overlap: [[gate, hall]]}\n", "topology names the camera 'hall'"),
        (
            MINIMAL + "topology: {transit: [{from: gate, to: gate, seconds: [9, 2]}]}\n",
            "is not in order",
        ),
        (MINIMAL.replace("gate.mp4", "gate.mp4, masks: [[[0, 0], [1, 1]]]"), "at least 3 points"),
        ("- a\n- b\n", "expected a mapping"),
        ("site: [unclosed\n", "not valid YAML"),
        ("", "expected a mapping"),
        ("site: s\ncameras: {gate: {source: a.mp4, start: 2026-13-01}}\n", "month must be in 1"),
        ("site: s\ncameras: {1: {source: a.mp4}}\n", "names are lower-case letters"),
        ("site: s\ncameras: {[a]: {source: a.mp4}}\n", "not valid YAML"),
        ("site: &a [*a]\n", "recursive node"),
        ("[" * 5000, "not valid YAML"),
        ("site: s\ncameras: [gate]\n", "cameras: Input should be a valid dictionary"),
        ("site: s\ncameras: {gate: gate.mp4}\n", "cameras.gate: Input should be a valid dict"),
        ("!!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_names_the_place_and_what_is_allowed(tmp_path: Path, text: str, expected: str) -> None:
    message = complaint(tmp_path, text)
    assert expected in message
    assert all(line.startswith(str(tmp_path / "site.yaml")) for line in message.splitlines()[:1])


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    message = complaint(tmp_path, MINIMAL + "colour: red\ndetector: {confidence: 7}\n")
    assert "colour" in message
    assert "detector.confidence" in message


def test_a_variable_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    assert "environment variable NOWHERE is not set" in complaint(
        tmp_path, MINIMAL + "redis: redis://u:${NOWHERE}@h/0\n"
    )


def test_secrets_do_not_show_in_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASS", "hunter2")
    message = complaint(tmp_path, MINIMAL + "redis: 'mysql://u:${PASS}@h/0'\n")
    assert "hunter2" not in message
    message = complaint(
        tmp_path, "site: s\ncameras: {a: {source: 'rtsp://u:${PASS}@h', fps: 'rtsp://u:${PASS}@h'}}"
    )
    assert "hunter2" not in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="`camtrail init` writes one"):
        load_site(tmp_path / "nothing.yaml")
    with pytest.raises(CamtrailError, match="cannot be read"):
        load_site(tmp_path)
    (tmp_path / "site.yaml").write_bytes(b"\xff\xfe\x00\x00")
    with pytest.raises(CamtrailError, match="cannot be read"):
        load_site(tmp_path / "site.yaml")
    (tmp_path / "site.yaml").write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(CamtrailError, match="larger than"):
        load_site(tmp_path / "site.yaml")


def test_aliases_do_not_explode(tmp_path: Path) -> None:
    """The billion laughs: nine levels of nine references each."""
    levels = ["a: &a [x]"] + [
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert "more than 100000 values" in complaint(tmp_path, "\n".join(levels))


def test_an_unknown_camera_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="there is no camera 'hall'; there are: gate"):
        load_site(write(tmp_path, MINIMAL)).camera("hall")


def test_the_effective_configuration_is_whole_plain_and_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "s3cret")
    site = load_site(write(tmp_path, DESIGN))
    data = effective(site)
    assert "s3cret" not in str(data)
    assert data["cameras"]["gate"]["source"] == "rtsp://viewer:***@gate.example/stream1"
    assert data["matcher"]["patience"] == 4.0
    assert data["topology"]["transit"] == [{"from": "gate", "to": "lobby", "seconds": [5.0, 90.0]}]
    assert load_site(write(tmp_path, yaml.safe_dump(data))).detector == site.detector


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://u:p@h/1", "rtsp://u:***@h/1"),
        ("rtsp://u:p@:/x@h:554/1", "rtsp://u:***@h:554/1"),
        ("rtsp://u@h/1", "rtsp://u@h/1"),
        ("http://h/v?user=a&pass=b", "http://h/v?user=***&pass=***"),
        ("redis://:p@h:6379/0", "redis://:***@h:6379/0"),
        ("rtsp://u:top?sec@h:554/1?a=b", "rtsp://u:***@h:554/1?a=***"),
        ("http://h/v?user=a@b&pass=c", "http://h/***"),
        ("http://h:80?user=a@b", "http://h/***"),
        ("gate.mp4", "gate.mp4"),
    ],
)
def test_redacts_urls(url: str, expected: str) -> None:
    assert redact_url(url) == expected
    assert redact(f"cannot open {url} now") == f"cannot open {expected} now"


@given(
    password=st.text(
        st.characters(exclude_categories=["C", "Z"], exclude_characters="'\"<>"), min_size=4
    )
)
def test_no_password_survives_redaction(password: str) -> None:
    marked = f"#{password}#"
    assert marked not in redact_url(f"rtsp://user:{marked}@camera.example:554/1")
    assert marked not in redact(f"error at rtsp://user:{marked}@camera.example:554/1 again")


@pytest.mark.parametrize(
    "text",
    [
        "site: yard\ncameras:\n  gate: {source: rtsp://u:topsecret@h/s: x, fps: 1}\n",
        "site: yard\ncameras: gate=rtsp://u:topsecret@h/s\n",
        "site: yard\nredis: ' redis://u:topsecret@h/0'\ncameras: {gate: {source: '0'}}\n",
        "site: yard\ncameras: {gate: {source: ' rtsp://u:topsecret@h/s', fps: -1}}\n",
    ],
)
def test_no_password_is_in_what_is_said_of_a_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(CamtrailError) as refused:
        load_site(tmp_path / "site.yaml")
    assert "topsecret" not in str(refused.value)


def test_a_source_among_spaces_and_what_cameras_have_in_common(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "site: yard\ncameras:\n  a: &all {source: ' rtsp://u:p@h/s ', fps: 5}\n"
        "  b: {<<: *all, source: rtsp://h/t}\n"
    )
    cameras = load_site(tmp_path / "site.yaml").cameras
    assert [c.source for c in cameras.values()] == ["rtsp://u:p@h/s", "rtsp://h/t"]
    assert [c.fps for c in cameras.values()] == [5, 5]


def test_who_needs_no_passwords_need_not_have_them(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "site: yard\nredis: 'redis://me:${NOBODY_SET_THIS}@h/0'\ncameras: {gate: {source: '0'}}\n"
    )
    with pytest.raises(CamtrailError, match="NOBODY_SET_THIS is not set"):
        load_site(path)
    assert load_site(path, unset="x").redis == "redis://me:x@h/0"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("[::1]:0", ("::1", 0)),
        ("h.example:1", ("h.example", 1)),
    ],
)
def test_where_metrics_are_served(tmp_path: Path, text: str, address: tuple[str, int]) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        f"site: yard\ncameras: {{gate: {{source: '0'}}}}\ntelemetry: {{metrics: '{text}'}}\n"
    )
    assert metrics_address(load_site(path).telemetry.metrics) == address


@pytest.mark.parametrize("text", ["9464", "on", "h:99999", ":1", "h:", "http://h:1", "a b:1"])
def test_what_is_no_place_to_serve_metrics(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        f"site: yard\ncameras: {{gate: {{source: '0'}}}}\ntelemetry: {{metrics: '{text}'}}\n"
    )
    with pytest.raises(CamtrailError, match=r"telemetry.metrics: allowed: off, or HOST:PORT"):
        load_site(path)


def test_metrics_may_be_off_as_yaml_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site: yard\ncameras: {gate: {source: '0'}}\ntelemetry: {metrics: off}\n")
    assert load_site(path).telemetry.metrics == "off"


def test_the_keys_of_a_receiver_of_traces_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    traces = "{endpoint: 'https://h.example/v1/traces', headers: {authorization: KEY}}"
    path.write_text(
        f"site: yard\ncameras: {{gate: {{source: '0'}}}}\ntelemetry: {{traces: {traces}}}\n"
    )
    assert "'KEY'" not in str(effective(load_site(path)))
    path.write_text(path.read_text().replace("KEY", "[KEY1]").replace("https://", "ftp://u:KEY2@"))
    with pytest.raises(CamtrailError) as raised:
        load_site(path)
    assert "KEY1" not in str(raised.value)
    assert "KEY2" not in str(raised.value)
