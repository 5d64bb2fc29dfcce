"""Starts and kills a real RTSP server, where the machine has one."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.ports import free_port

PYTHON = "/usr/bin/python3"  # the system's: GStreamer is a Debian package
_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
)


def need_gstreamer() -> None:
    """Skips the test where GStreamer's RTSP server is not installed."""
    if (
        not Path(PYTHON).exists()
        or subprocess.run([PYTHON, "-c", _PROBE], capture_output=True).returncode
    ):
        pytest.skip("needs Debian's gir1.2-gst-rtsp-server-1.0 (see CONTRIBUTING.md)")


class RtspServer:
    """Serves an MP4 file on loopback at its own pace; may be killed and started again, with
    another ``file`` too.

    ``shared``: all clients see the same picture at a time, as of a camera.
    """

    def __init__(
        self, file: Path, login: tuple[str, str] | None = None, shared: bool = False
    ) -> None:
        self.port = free_port()
        self.file = file
        self._mode = ["shared" if shared else "alone", *(login or ())]
        self._process: subprocess.Popen[str] | None = None

    def url(self, login: str = "") -> str:
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        script = str(Path(__file__).with_name("rtsp_server.py"))
        self._process = subprocess.Popen(
            [PYTHON, script, str(self.port), str(self.file), *self._mode],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
