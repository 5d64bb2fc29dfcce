"""The section ``telemetry`` of ``site.yaml``."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from pipeline.config.sections import Strict

LogLevel = Literal["debug", "info", "warning", "error"]
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})")


class Traces(Strict):
    """Where spans are sent, by OTLP over HTTP. The headers may hold a key: nothing shows them."""

    endpoint: str = Field(description="such as http://127.0.0.1:4318/v1/traces")
    sample: float = Field(1.0, gt=0, le=1, description="share of the updates and requests")
    headers: dict[str, SecretStr] = Field({})

    @field_validator("endpoint")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise PydanticCustomError("url", "expected http://HOST/... or https://HOST/...")
        return value


class Telemetry(Strict):
    """What the processes say of themselves, and to whom."""

    log_level: LogLevel = Field("info", description="the least that is shown")
    metrics: str = Field("off", description="HOST:PORT where Prometheus finds them, or off")
    traces: Traces | None = None

    @field_validator("metrics", mode="before")
    @classmethod
    def _address(cls, value: object) -> object:
        if value is False:  # YAML's word for off
            return "off"
        if isinstance(value, str) and value != "off":
            metrics_address(value)
        return value


def metrics_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError("allowed: off, or HOST:PORT such as 127.0.0.1:9464")
    return found["host"].strip("[]"), int(found["port"])
