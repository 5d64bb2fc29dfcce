"""Reads ``site.yaml``: variables, paths, the encoder in use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.config.explain import explain
from pipeline.config.model import Site
from pipeline.config.redaction import redact
from pipeline.config.sections import (
    Encryption,
    Matcher,
    Notify,
    RedisTls,
    Tls,
    Viewer,
    is_lite,
)
from pipeline.encoders.current import Encoders
from pipeline.errors import CamtrailError

MAX_CONFIG_BYTES = 1_000_000
MAX_CONFIG_VALUES = 100_000  # with aliases written out: a few nested ones make billions
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_site(path: Path, unset: str | None = None) -> Site:
    """Reads ``site.yaml``.

    Args:
        unset: stands for variables that are not set, for who needs no passwords; None: an error.

    Raises:
        CamtrailError: the file is missing, is no YAML, or does not fit the model; the text names
            each place and what is allowed there.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CamtrailError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes; not a site.yaml")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CamtrailError(f"{path}: no such file; `camtrail init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CamtrailError(f"{path}: cannot be read: {error}") from None
    try:
        raw = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that refuses double keys
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a 13th month
        raise CamtrailError(f"{path}: not valid YAML: {redact(_fault(error))}") from None
    if not isinstance(raw, dict):
        raise CamtrailError(f"{path}: expected a mapping with `site` and `cameras`")
    # A section of which everything is commented out is empty: its defaults apply.
    raw = {key: value for key, value in raw.items() if value is not None}
    try:
        budget = iter(range(MAX_CONFIG_VALUES))
        site = Site.model_validate(_substitute(raw, path, budget, unset))
    except ValidationError as error:
        raise CamtrailError(explain(path, error)) from None
    return _resolve(site, path.resolve().parent)


def _fault(error: Exception) -> str:
    """What is wrong and where, without the line, which may hold a password."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return str(error)
    return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}"


class _Loader(yaml.SafeLoader):
    """A safe loader to which a key given twice is an error."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node)
        if isinstance(key, (str, int, float)) and key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"'{key}' is given twice", key_node.start_mark
            )
        if isinstance(key, (str, int, float)):
            seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _substitute(value: Any, path: Path, budget: Iterator[int], unset: str | None) -> Any:
    """``value`` with its variables replaced; each value in it takes one of ``budget``."""
    if next(budget, None) is None:
        raise CamtrailError(f"{path}: more than {MAX_CONFIG_VALUES} values; not a site.yaml")
    if isinstance(value, dict):
        return {key: _substitute(item, path, budget, unset) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, path, budget, unset) for item in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        found = os.environ.get(name, unset)
        if found is None:
            raise CamtrailError(f"{path}: the environment variable {name} is not set")
        return found

    return _VARIABLE.sub(variable, value)


def _resolve(site: Site, base: Path) -> Site:
    """Makes the file's relative paths absolute; takes the encoder that is in use."""
    cameras = {
        name: camera
        if camera.live
        else camera.model_copy(update={"source": str(base / camera.source)})
        for name, camera in site.cameras.items()
    }
    weights = base / site.detector.weights
    detector = site.detector
    if weights.exists() or "/" in site.detector.weights:
        detector = detector.model_copy(update={"weights": str(weights)})
    data_dir = base / site.data_dir
    configured = base / site.encoder.path
    path = Encoders(data_dir).in_use(configured)
    sha256 = site.encoder.sha256 if path == configured else None
    encoder = site.encoder.model_copy(update={"path": path, "sha256": sha256})
    return site.model_copy(
        update={
            "data_dir": data_dir,
            "cameras": cameras,
            "detector": detector,
            "encoder": encoder,
            "floor_plan": base / site.floor_plan if site.floor_plan else None,
            "matcher": _resolve_gallery(site.matcher, base),
            "redis_tls": RedisTls(
                **{name: base / path for name, path in site.redis_tls if path is not None}
            ),
            "viewer": _resolve_tls(site.viewer, base),
            "notify": _resolve_authority(site.notify, base),
            "encryption": _resolve_key_file(site.encryption, base),
        }
    )


def _resolve_gallery(matcher: Matcher, base: Path) -> Matcher:
    if not is_lite(matcher.gallery):
        return matcher
    return matcher.model_copy(update={"gallery": str(base / matcher.gallery)})


def _resolve_authority(notify: Notify, base: Path) -> Notify:
    if notify.mqtt is None or notify.mqtt.authority is None:
        return notify
    mqtt = notify.mqtt.model_copy(update={"authority": base / notify.mqtt.authority})
    return notify.model_copy(update={"mqtt": mqtt})


def _resolve_key_file(encryption: Encryption, base: Path) -> Encryption:
    if encryption.key_file is None:
        return encryption
    return encryption.model_copy(update={"key_file": base / encryption.key_file})


def _resolve_tls(viewer: Viewer, base: Path) -> Viewer:
    if viewer.tls is None:
        return viewer
    tls = Tls(certificate=base / viewer.tls.certificate, key=base / viewer.tls.key)
    return viewer.model_copy(update={"tls": tls})
