"""Logs: one place that decides how they look, and that keeps secrets out of them."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import Any, TextIO, get_args

import structlog

from pipeline.config import LogLevel, redact


def configure(component: str, json: bool | None = None, level: LogLevel = "info") -> None:
    """Sets up the logs of this process, on stderr.

    Args:
        component: who speaks, for example ``worker-gate``; part of every line.
        json: one JSON object a line; None: where stderr is no terminal.
        level: the least that is shown.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *_FINISH, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(_Patient(sys.stderr)),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(component=component)
    _route_standard_logging(shared, renderer)


class _Patient(io.StringIO):
    """A stream at which nobody fails: lines that a disk does not take are lost, and no work with
    them.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def get_logger(name: str) -> Any:
    """A structlog logger: ``log.info("event", key=value)``."""
    return structlog.get_logger(module=name.removeprefix("pipeline."))


def _redact(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: _redacted(value) for key, value in event.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Exception):
        return redact(f"{type(value).__name__}: {value}")
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    return value


_LEVELS = {name: logging.getLevelNamesMapping()[name.upper()] for name in get_args(LogLevel)}
# A traceback becomes text first: a pretty one would show the values of variables.
_FINISH: list[Any] = [structlog.processors.format_exc_info, _redact]


def _route_standard_logging(shared: list[Any], renderer: Any) -> None:
    """Sends what libraries log through the same processors."""
    handler = logging.StreamHandler(_Patient(sys.stderr))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_FINISH,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
