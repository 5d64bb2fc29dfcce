"""`camtrail doctor` on real parts, sound and broken."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis

from pipeline import doctor
from pipeline.bus.server import find_server
from pipeline.config import Site, load_site
from pipeline.doctor import host, parts
from pipeline.doctor.check import Check, Status, guarded
from reid_models import Description, InputSpec, build, save_encoder
from tests.pipeline import stored_site
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.bus.servers import Watched
from tests.pipeline.notify.places import SECRET, hook, write_site
from tests.pipeline.test_init import write_video


def site_file(folder: Path, extra: str = "", cameras: str = "gate: {source: gate.mp4}") -> Path:
    path = folder / "site.yaml"
    path.write_text(f"site: s\ncameras: {{{cameras}}}\n{extra}")
    return path


def only(checks: Iterator[Check]) -> Check:
    (check,) = list(checks)
    return check


def test_this_installation_is_sound(tmp_path: Path) -> None:
    checks = [*host.packages(), *host.gpu(None), *host.clock()]
    assert {c.name for c in checks} == {"packages", "torch", "opencv", "gpu", "clock"}
    assert [c for c in checks if c.status == Status.FAIL] == []


def test_a_gpu_that_is_asked_for_and_not_there(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this computer has a GPU")
    site = load_site(site_file(tmp_path, "detector: {device: 'cuda:0'}\n"))
    check = only(host.gpu(site))
    assert check.status == Status.FAIL
    assert "cuda:0" in check.detail


def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = load_site(site_file(tmp_path))
    assert only(host.disk(site)).status in {Status.OK, Status.WARN}
    assert not site.data_dir.exists()
    monkeypatch.setattr(host, "FULL_DISK", 2**62)
    assert only(host.disk(site)).status == Status.FAIL


def test_a_data_dir_that_cannot_be_written_to(tmp_path: Path) -> None:
    site = load_site(site_file(tmp_path, "data_dir: /proc/camtrail\n"))
    check = only(host.disk(site))
    assert check.status == Status.FAIL
    assert "cannot be written to" in check.detail
    assert check.advice


def test_cameras_each_in_a_process_of_its_own(tmp_path: Path) -> None:
    write_video(tmp_path / "gate.mp4", seconds=1)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    path = site_file(
        tmp_path,
        cameras="gate: {source: gate.mp4}, empty: {source: empty.mp4}, text: {source: text.mp4}, "
        "gone: {source: gone.mp4}, away: {source: 'rtsp://u:hunter2@127.0.0.1:9/x', "
        "open_timeout: 1, read_timeout: 1}",
    )
    checks = {c.name: c for c in parts.cameras(load_site(path), path)}
    assert checks["camera gate"].status in {Status.OK, Status.WARN}  # it is nearly black
    assert "64 x 48, 5 frames a second" in checks["camera gate"].detail
    for name, words in {
        "empty": "empty (0 bytes)",
        "text": "cannot be read as video",
        "gone": "no such video",
        "away": "rtsp://u:***@127.0.0.1:9/x",
    }.items():
        check = checks[f"camera {name}"]
        assert check.status == Status.FAIL
        assert words in check.detail
    assert "hunter2" not in str(checks)


def test_a_black_picture_is_a_warning(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "gate.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    path = site_file(tmp_path)
    (check,) = parts.cameras(load_site(path), path)
    assert check.status == Status.WARN
    assert "black" in check.detail


def test_weights_that_are_missing_or_no_weights(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_text("no weights")
    path = site_file(tmp_path, "detector: {weights: ./bad.pt}\nencoder: {path: gone.safetensors}\n")
    site = load_site(path)
    (detector,) = guarded("detector", lambda: parts.detector(site))
    assert detector.status == Status.FAIL
    assert "bad.pt" in detector.detail
    (encoder,) = guarded("encoder", lambda: parts.encoder(site))
    assert encoder.status == Status.FAIL
    assert "gone.safetensors" in encoder.detail


def test_an_encoder_other_than_the_stores(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    description = Description(
        input=InputSpec(height=128, width=64),
        dimension=32,
        architecture="stripenet",
        arguments={"dimension": 32},
    )
    save_encoder(tmp_path / "e.safetensors", build("stripenet", dimension=32).eval(), description)
    path = tmp_path / "e.safetensors"
    site = site.model_copy(update={"encoder": site.encoder.model_copy(update={"path": path})})
    check = only(parts.encoder(site))
    assert check.status == Status.OK
    assert "32-d" in check.detail
    stored_site.fill(site, tmp_path)
    check = only(parts.encoder(site))
    assert check.status == Status.FAIL
    assert "the store holds embeddings of another one (ffffffffffff)" in check.detail


def test_the_store(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    assert only(parts.store(site)).detail == "nothing stored so far"
    assert not site.data_dir.exists()
    stored_site.fill(site, tmp_path)
    assert only(parts.store(site)).detail == "3 identities, 6 tracklets"
    for file in site.data_dir.glob("camtrail.sqlite*"):
        file.write_bytes(b"no database" * 1000)
    (check,) = guarded("store", lambda: parts.store(site))
    assert check.status == Status.FAIL
    assert "camtrail.sqlite" in check.detail


def test_embedded_redis_is_found(tmp_path: Path) -> None:
    check = only(parts.server(load_site(site_file(tmp_path))))
    assert check.status == Status.OK
    assert str(find_server()) in check.detail


@pytest.fixture
def password_server(tmp_path: Path) -> Iterator[Path]:
    """A real server that wants a password, without an append-only file."""
    socket = tmp_path / "r.sock"
    options = {"port": "0", "unixsocket": "r.sock", "requirepass": "hunter2", "save": ""}
    command = [str(find_server()), *(t for k, v in options.items() for t in (f"--{k}", v))]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=str(socket), password="hunter2")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            client.ping()
            break
        except redis.RedisError:
            time.sleep(0.02)
    yield socket
    process.terminate()
    process.wait()


def redis_site(folder: Path, socket: Path, password: str) -> Site:
    return load_site(site_file(folder, f"redis: 'unix://:{password}@{socket}?db=0'\n"))


def test_redis_with_the_right_and_a_wrong_password(tmp_path: Path, password_server: Path) -> None:
    check = only(parts.server(redis_site(tmp_path, password_server, "hunter2")))
    assert check.status == Status.WARN
    assert "no append-only file" in check.detail
    wrong = only(parts.server(redis_site(tmp_path, password_server, "hunter3")))
    assert wrong.status == Status.FAIL
    assert "hunter3" not in wrong.detail
    assert "password" in wrong.advice


def test_redis_that_forgets_keys_when_it_is_full(tmp_path: Path, password_server: Path) -> None:
    client = redis.Redis(unix_socket_path=str(password_server), password="hunter2")
    client.config_set("maxmemory-policy", "allkeys-lru")
    check = only(parts.server(redis_site(tmp_path, password_server, "hunter2")))
    assert check.status == Status.WARN
    assert "allkeys-lru" in check.detail
    assert "CONFIG SET maxmemory-policy noeviction" in check.advice


def test_sentinels_their_primary_and_its_replica(tmp_path: Path) -> None:
    with Watched(tmp_path / "redis") as watched:
        site = load_site(site_file(tmp_path, f"redis: {watched.url}\n"))
        server, failover = parts.server(site)
        assert (server.status, failover.status) == (Status.OK, Status.OK)
        assert failover.detail == "3 know the primary, which has 1 replicas"
        watched.replica().kill()
        assert wait_for(lambda: list(parts.server(site))[1].status == Status.WARN)
        assert "no replica" in list(parts.server(site))[1].detail
        watched.sentinels[0].kill()
        failover = list(parts.server(site))[1]
        assert "1 of 3 do not know the primary" in failover.detail
        assert watched.sentinels[0].address in failover.detail
        for sentinel in watched.sentinels[1:]:
            sentinel.kill()
        check = only(parts.server(site))
        assert check.status == Status.FAIL


def test_redis_that_is_away(tmp_path: Path) -> None:
    check = only(parts.server(load_site(site_file(tmp_path, "redis: redis://127.0.0.1:9/0\n"))))
    assert check.status == Status.FAIL


def test_a_missing_configuration_fails_and_the_host_is_still_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(tmp_path / "site.yaml", as_json=True) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["ok"] is False
    statuses = {c["name"]: c["status"] for c in data["checks"]}
    assert statuses["configuration"] == "fail"
    assert statuses["packages"] == "ok"
    assert "redis" not in statuses


def test_one_broken_check_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Iterator[Check]:
        yield Check("x", Status.OK, "fine")
        raise RuntimeError("rtsp://u:hunter2@h/1 broke")

    (check,) = guarded("x", broken)
    assert check.status == Status.FAIL
    assert "RuntimeError" in check.detail
    assert "hunter2" not in check.detail


def test_who_is_told_is_reached_without_being_told(tmp_path: Path) -> None:
    with hook() as server:
        dead = "http://127.0.0.1:9/PATHKEY"
        hooks = {"guard": {"url": server.url, "secret": SECRET}}
        hooks["dead"] = {"url": dead, "secret": SECRET}
        site = load_site(write_site(tmp_path, {"webhooks": hooks}))
        guard, unreachable = parts.receivers(site)
        assert server.posts == []
    assert (guard.name, guard.status) == ("webhook guard", Status.OK)
    assert (unreachable.name, unreachable.status) == ("webhook dead", Status.FAIL)
    assert "refused" in unreachable.detail
    assert "PATHKEY" not in unreachable.detail
