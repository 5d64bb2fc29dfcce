"""Settings of a method: all of them from a YAML file, changed by ``--set key=value``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from train.errors import TrainError
from train.loop import Settings

S = TypeVar("S", bound=Settings)
_FOLDER = Path(__file__).parent


def settings_text(method: str, preset: str) -> str:
    """The YAML file of a method's preset, with its comments.

    Raises:
        TrainError: there is no such preset; names those that exist.
    """
    file = _FOLDER / (f"{method}-{preset}.yaml" if preset != "default" else f"{method}.yaml")
    if not file.is_file() or file.parent != _FOLDER:
        names = ["default", *(p.stem.removeprefix(f"{method}-") for p in _presets(method))]
        raise TrainError(f"{method} has no preset {preset!r}; it has: {', '.join(names)}")
    return file.read_text(encoding="utf-8")


def _presets(method: str) -> list[Path]:
    return sorted(_FOLDER.glob(f"{method}-*.yaml"))


def load_settings(
    model: type[S], method: str, source: str = "default", changes: Sequence[str] = ()
) -> S:
    """The settings of a method.

    Args:
        model: what they must be.
        method: its name.
        source: a preset's name, or a YAML file (a path that ends in .yaml or .yml).
        changes: ``key=value``, with dots for nested keys. Another ``name`` of a nested setting
            takes that name's own values along: ``metric_loss.name=fidi`` drops the margin of the
            triplet loss that stood there.

    Raises:
        TrainError: a key is unknown (names the allowed ones) or a value impossible.
    """
    is_file = source.endswith((".yaml", ".yml"))
    text = _read(Path(source)) if is_file else settings_text(method, source)
    values = _parse(text, source)
    for change in sorted(changes, key=lambda change: ".name=" not in change):
        _apply(values, change)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [_explain(model, fault) for fault in error.errors(include_url=False)]
        raise TrainError(f"bad settings: {'; '.join(faults)}") from None


def dump_settings(settings: Settings) -> dict[str, Any]:
    """As plain values, by the keys of the YAML file."""
    return settings.model_dump(mode="json", by_alias=True)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"{file}: the settings cannot be read ({error})") from None


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TrainError(f"{source}: not YAML ({error})") from None
    if not isinstance(values, dict):
        raise TrainError(f"{source}: must be lines of key: value; see camtrail-train config")
    return values


def _apply(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    if not equals or not path:
        raise TrainError(f"--set {change}: write key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise TrainError(f"--set {change}: the value cannot be read") from None
    *parents, key = path.split(".")
    place = values
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise TrainError(f"--set {change}: {parent} is one value and holds no keys")
    if parents and key == "name" and place.get("name") != value:
        place.clear()
    place[key] = value


def _explain(model: type[BaseModel], fault: Any) -> str:
    """A fault of pydantic's; where a key is unknown, with those that exist."""
    *parents, key = fault["loc"] or ("settings",)
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg']}"
    owner = _model_at(model, parents)
    allowed = [field.alias or name for name, field in owner.model_fields.items()]
    inside = f" in {'.'.join(map(str, parents))}" if parents else ""
    return f"unknown key {key!r}{inside}; allowed are: {', '.join(allowed)}"


def _model_at(model: type[BaseModel], path: Iterable[Any]) -> type[BaseModel]:
    """The model whose key is at ``path``; of a union's members, the one with the path's tag."""
    candidates = [model]
    for step in path:
        inner = [
            found
            for candidate in candidates
            for name, field in candidate.model_fields.items()
            if step in (name, field.alias)
            for found in _models(field.annotation)
        ]
        tagged = [c for c in candidates if _tag(c) == step]
        candidates = inner or tagged or candidates
    return candidates[0]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _tag(model: type[BaseModel]) -> Any:
    """The ``name`` by which a union tells its members apart."""
    field = model.model_fields.get("name")
    return get_args(field.annotation)[0] if field and get_args(field.annotation) else None
