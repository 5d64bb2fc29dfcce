from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from pipeline.telemetry import configure, get_logger

URL = "rtsp://viewer:secret@gate.example/stream1"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.getLogger().handlers, logging.getLogger().level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure("worker-gate", json=True)
    get_logger("pipeline.camera.worker").info("camera done", frames=3)
    get_logger("pipeline.camera.worker").debug("not shown")
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {
        "event": "camera done",
        "frames": 3,
        "level": "info",
        "component": "worker-gate",
        "module": "camera.worker",
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_urls_are_redacted_wherever_they_stand(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    configure("run", json=as_json)
    log = get_logger("pipeline.x")
    log.info(f"opening {URL}", url=URL, nested={"urls": [URL, (URL,)]}, error=OSError(URL))
    logging.getLogger("some.library").warning("cannot open %s", URL)
    try:
        raise ValueError(URL)
    except ValueError:
        log.exception("failed")
        logging.getLogger("some.library").exception("failed")
    text = capsys.readouterr().err
    assert "secret" not in text
    assert text.count("viewer:***@gate.example") >= 7


def test_a_logger_made_before_configure_obeys_it(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger("pipeline.early")
    configure("run", json=True)
    log.warning("now")
    assert lines(capsys)[0]["event"] == "now"
