"""Says what is wrong in ``site.yaml``, where, and what is allowed there."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.config.model import Site
from pipeline.config.redaction import redact, redact_url
from pipeline.config.sections import Camera, Mqtt, Tls, Topology, Transit, Webhook
from pipeline.config.telemetry import Traces


def explain(path: Path, error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"]) or "the file"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown key; allowed here: {', '.join(_allowed(item['loc'][:-1]))}"
        elif item["type"] == "missing":
            message = "is missing"
        elif item["type"] == "string_pattern_mismatch" and "viewer" in item["loc"]:
            message = "is no host name, such as camtrail.example.org (without port and https://)"
        elif item["type"] == "string_pattern_mismatch" or place.endswith("[key]"):
            message = "names are lower-case letters, digits, '-' and '_', at most 63 of them"
        elif not isinstance(item["input"], (dict, list)) and not _SECRETS & set(item["loc"]):
            message = f"{message} (got {redact(redact_url(str(item['input'])))!r})"
        lines.append(f"{path}: {place}: {message}")
    return "\n".join(lines)


_SECRETS = {
    "secret",
    "password",
    "url",
    "headers",
    "encryption",
}  # whose wrong values are not shown
_SECTIONS: dict[int | str, type[BaseModel]] = {  # that need not be there
    "tls": Tls,
    "webhooks": Webhook,
    "mqtt": Mqtt,
    "traces": Traces,
}


def _allowed(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the model at ``location`` takes."""
    model: type[BaseModel] = Site
    for part in location:
        if part == "cameras" or (model is Site and part == "topology"):
            model = Camera if part == "cameras" else Topology
        elif part == "transit":
            model = Transit
        elif part in _SECTIONS:
            model = _SECTIONS[part]
        elif isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]
