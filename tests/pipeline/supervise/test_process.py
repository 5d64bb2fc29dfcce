from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from pipeline.child import INCOMPLETE
from pipeline.supervise import logs as module
from pipeline.supervise.process import Process, State
from tests.pipeline.bus.samples import wait_for


def program(tmp_path: Path, code: str, ends: bool = True) -> Process:
    process = Process("p", [sys.executable, "-c", code], tmp_path / "logs" / "p.log", ends)
    process.policy.base = 0.01
    return process


def test_the_end_of_a_file_is_an_end(tmp_path: Path) -> None:
    process = program(tmp_path, "print('hello')")
    assert wait_for(process.poll)
    assert (process.state, process.restarts, process.pid) == (State.ENDED, 0, None)
    assert not process.poll()
    assert (tmp_path / "logs" / "p.log").read_text() == "hello\n"


def test_a_file_of_which_not_all_could_be_read_is_at_its_end(tmp_path: Path) -> None:
    code = f"print('camtrail: gate.mp4: cut off'); raise SystemExit({INCOMPLETE})"
    process = program(tmp_path, code)
    assert wait_for(process.poll)
    assert (process.state, process.incomplete) == (State.ENDED, True)
    assert process.message == "gate.mp4: cut off"
    assert not process.poll()


def test_a_live_camera_that_ends_is_started_again(tmp_path: Path) -> None:
    process = program(tmp_path, "", ends=False)
    assert wait_for(lambda: process.poll() or process.restarts == 2)
    assert process.state in (State.RUNNING, State.WAITING)


def test_what_crashes_is_started_again_until_it_is_quarantined(tmp_path: Path) -> None:
    process = program(tmp_path, "raise ValueError('rtsp://me:secret@host/1 is odd')")
    deaths = 0
    while process.state is not State.QUARANTINED:
        assert wait_for(process.poll)
        deaths += 1
    assert (deaths, process.restarts) == (5, 4)
    assert process.message == "ValueError: rtsp://me:***@host/1 is odd"


def test_a_user_error_is_quarantined_with_its_text(tmp_path: Path) -> None:
    code = "import sys; print('camtrail: gate.mp4: no such file', file=sys.stderr); sys.exit(2)"
    process = program(tmp_path, code)
    assert wait_for(process.poll)
    assert process.state is State.QUARANTINED
    assert process.message == "gate.mp4: no such file"
    assert not process.poll()  # not soon again
    assert process.pid is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"event": "cannot go on", "error": "disk full", "level": "error"}',
            "cannot go on: disk full",
        ),
        ("[1, 2]", "[1, 2]"),
        ('{"json": 1}', '{"json": 1}'),
        ("", "died with status 1"),
    ],
)
def test_the_last_words_are_those_of_this_life(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "p.log").write_text("of a former life\n")
    process = program(tmp_path, f"print({line!r}); raise SystemExit(1)")
    assert wait_for(process.poll)
    assert process.message == message


def test_what_lives_long_is_out_of_quarantine(tmp_path: Path) -> None:
    process = program(tmp_path, "import time; time.sleep(60)")
    process.state = State.QUARANTINED
    process.poll()
    assert process.state is State.QUARANTINED
    process.policy.fast = 0.01
    assert wait_for(lambda: process.poll() or process.state is State.RUNNING)
    process.kill()
    assert wait_for(process.poll)
    assert process.message == "died with status -9"


def test_terminate_stops_for_good(tmp_path: Path) -> None:
    process = program(tmp_path, "import time; time.sleep(60)")
    process.poll()
    assert not process.stopped()
    process.terminate()
    assert wait_for(process.stopped)
    assert not process.poll()
    assert process.state is State.STOPPED


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    process = program(tmp_path, "")
    process.poll()
    assert "cannot be started" in process.message


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 3)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "p.log").write_text("old\n")
    process = program(tmp_path, "print('new')")
    assert wait_for(process.poll)
    assert (tmp_path / "logs" / "p.log").read_text() == "new\n"
    assert (tmp_path / "logs" / f"p.log.{day(time.time())}").read_text() == "old\n"


def test_the_log_of_a_process_that_runs_is_put_aside_when_the_day_is_over(tmp_path: Path) -> None:
    code = "import sys\nprint('at home', flush=True)\n"
    code += "for line in open(sys.argv[1]): print(line, end='', flush=True)"
    fifo, path = tmp_path / "fifo", tmp_path / "logs" / "p.log"
    os.mkfifo(fifo)
    process = Process("p", [sys.executable, "-c", code, str(fifo)], path, ends=False)
    process.poll()
    assert wait_for(lambda: process.announced)
    with fifo.open("w") as told:
        yesterday = time.time() - 86_400
        os.utime(path, (yesterday, yesterday))
        process.tend_log()
        assert path.read_text() == ""
        assert process.announced == "at home"
        print("goodbye", file=told, flush=True)
    assert wait_for(process.poll)
    assert path.read_text() == "goodbye\n"
    assert (tmp_path / "logs" / f"p.log.{day(yesterday)}").read_text() == "at home\n"
    assert process.message == "goodbye"
    process.tend_log()  # not again today
    assert path.read_text() == "goodbye\n"


def test_logs_go_when_they_are_too_old(tmp_path: Path) -> None:
    now = 1_767_600_000.0  # 2026-01-05T08:00:00Z
    for name, age in (
        ("p.log", 0), ("p.log.2026-01-04", 1), ("p.log.2026-01-03", 2), ("p.log.2026-01-02", 3),
        ("q.log", 3), ("r.log", 2),
    ):  # fmt: skip
        (tmp_path / name).write_text("a line\n")
        os.utime(tmp_path / name, (now - age * 86_400,) * 2)
    os.utime(tmp_path / "p.log.2026-01-02")  # whatever has touched it since
    module.Logs(tmp_path, 3).expire(now)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"p.log", "p.log.2026-01-04", "p.log.2026-01-03", "r.log"}
    module.Logs(tmp_path, None).expire(now + 1e9)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_child_is_told_to_stop_when_its_parent_is_killed(tmp_path: Path) -> None:
    child = "import os, signal, sys, time\n"
    child += (
        "signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1], 'w').close(), os._exit(0)))"
    )
    child += "\nprint('ready', flush=True); time.sleep(60)"
    parent = (
        "import subprocess, sys, time\nfrom pipeline.child import spawn\n"
        "child = spawn([sys.executable, '-c', sys.argv[1], sys.argv[2]], subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
    )
    mark = tmp_path / "told"
    process = subprocess.Popen(
        [sys.executable, "-c", parent, child, str(mark)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert os.getsid(pid) != os.getsid(process.pid)  # Ctrl-C does not reach it
    process.kill()
    process.wait()
    process.stdout.close()
    assert wait_for(mark.exists)
    assert wait_for(lambda: not psutil.pid_exists(pid) or _zombie(pid))


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
