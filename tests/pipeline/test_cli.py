"""The command line as a user meets it: real processes, exit codes, what is on which stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer.testing

from pipeline.cli import app

COMMANDS = {
    f"{name} {below}".strip()
    for name, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
    for below in getattr(command, "commands", [""])
}


def camtrail(
    *arguments: object, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        capture_output=True,
        input=stdin,
        text=True,
        timeout=120,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment},
    )


def write_site(folder: Path, text: str = "site: s\ncameras: {gate: {source: gate.mp4}}\n") -> Path:
    path = folder / "site.yaml"
    path.write_text(text)
    return path


def test_all_commands_are_there() -> None:
    assert {
        "alive", "audit", "bench", "config", "confirm", "corrections", "crops export", "demo",
        "detector export", "metrics",
        "doctor", "encoder info", "encoder promote", "encoder rollback", "evaluate", "explain",
        "export",
        "forget",
        "identities", "inference", "init", "matcher", "merge", "notify run", "notify status",
        "notify test", "record", "recorder", "rename", "replay", "retention", "run", "show",
        "simulate", "split",
        "staff", "store compact", "store downgrade", "store info", "store newkey",
        "store rekey", "store upgrade",
        "tokens add", "tokens list", "tokens revoke", "topology", "tune", "undo",
        "users add", "users list", "users password", "users remove", "users role", "viewer",
        "watch", "worker",
    } == COMMANDS  # fmt: skip


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = typer.testing.CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example: camtrail {command}" in " ".join(result.stdout.split())


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, pipeline.cli; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    for heavy in ("torch", "cv2", "numpy", "pydantic", "sqlalchemy", "redis", "av"):
        assert f"'{heavy}'" not in modules


def test_what_a_user_did_wrong_is_one_line_and_status_2(tmp_path: Path) -> None:
    result = camtrail("config", tmp_path / "nothing.yaml")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("camtrail: ")
    assert "no such file; `camtrail init` writes one" in result.stderr


@pytest.mark.parametrize("command", ["identities", "show 1", "topology", "evaluate --truth ."])
def test_commands_that_read_a_store_say_that_there_is_none(tmp_path: Path, command: str) -> None:
    write_site(tmp_path)
    (tmp_path / "gate.gt.txt").write_text("1,1,0,0,5,5,1\n")
    name, *rest = command.replace(" .", f" {tmp_path}").split()
    result = camtrail(name, *rest, tmp_path / "site.yaml")
    assert result.returncode == 2
    assert "there is no store yet" in result.stderr
    assert not (tmp_path / "data").exists()  # asking makes nothing


def test_a_library_that_debian_lacks_is_named(tmp_path: Path) -> None:
    missing = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({missing!r})\n")
    found = camtrail("simulate", "--out", tmp_path / "film", PYTHONPATH=str(tmp_path))
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert "libGL.so.1" in found.stderr
    assert "apt-get install libgl1" in found.stderr


def test_worker_names_the_cameras_that_there_are(tmp_path: Path) -> None:
    result = camtrail("worker", write_site(tmp_path), "--camera", "gaet")
    assert result.returncode == 2
    assert result.stderr == "camtrail: there is no camera 'gaet'; there are: gate\n"


def test_a_wrong_option_is_explained_without_a_traceback() -> None:
    result = camtrail("run", "--until-the-end")
    assert result.returncode == 2
    assert "No such option" in result.stderr
    assert "Traceback" not in result.stderr


def test_config_prints_yaml_or_json_with_secrets_redacted(tmp_path: Path) -> None:
    site = write_site(
        tmp_path,
        "site: s\nredis: rediss://u:${PASS}@h:6379/0\n"
        'cameras: {gate: {source: "rtsp://v:${PASS}@gate/1"}}\n',
    )
    result = camtrail("config", site, PASS="hunter2")
    assert result.returncode == 0
    assert "rediss://u:***@h:6379/0" in result.stdout
    data = json.loads(camtrail("config", site, "--json", PASS="hunter2").stdout)
    assert data["cameras"]["gate"]["source"] == "rtsp://v:***@gate/1"
    assert data["detector"]["image_size"] is None  # as trained
    assert "hunter2" not in result.stdout + json.dumps(data)


def test_a_reader_that_goes_away_gets_no_traceback(tmp_path: Path) -> None:
    site = write_site(
        tmp_path,
        "site: s\ncameras: {"
        + ", ".join(f"c{n}: {{source: {'x' * 200}{n}.mp4}}" for n in range(500))
        + "}\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "config", "--json", str(site)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.wait(60)


def test_ctrl_c_is_status_130(tmp_path: Path) -> None:
    fifo = tmp_path / "site.yaml"  # reading the configuration blocks until somebody writes
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "config", str(fifo)],
        stderr=subprocess.PIPE,
        # as in a terminal, also where the tests run in the background and ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with fifo.open("w"):  # waits until the command has opened it
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_what_is_kept_of_people_is_the_users_alone(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    before = os.umask(0o022)
    try:
        words = ("users", "add", "ada", site, "--role", "administrator")
        assert camtrail(*words, stdin="a good long password").returncode == 0
    finally:
        os.umask(before)
    made = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    assert len(made) > 1
    assert not any(path.stat().st_mode & 0o077 for path in made)
