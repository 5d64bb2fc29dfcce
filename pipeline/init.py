"""`camtrail init`: writes a commented ``site.yaml`` from what it finds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import jinja2

from pipeline.config import NAME_PATTERN
from pipeline.errors import CamtrailError
from pipeline.output import print_json
from pipeline.variables import Variables
from reid_models.header import DESCRIBED, encoder_files

VIDEO_SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".m4v", ".webm", ".ts", ".264", ".h264", ".mjpeg"}
DEFAULT_DETECTOR = "yolo11n.pt"


@dataclass(frozen=True)
class FoundCamera:
    """A camera for the file: ``start`` as ISO 8601 and ``fps`` where the source is a file."""

    name: str
    source: str
    start: str | None = None
    fps: float = 10.0


def run(folder: Path, sources: list[str], *, force: bool, as_json: bool) -> None:
    """Writes ``folder/site.yaml`` and says what is in it and what remains to be done."""
    path = folder / "site.yaml"
    notes: list[str] = []
    try:
        if path.exists() and not force:
            raise CamtrailError(f"{path} exists already; --force replaces it")
        cameras = _from_sources(sources, notes) if sources else _from_videos(folder, notes)
    except OSError as error:
        raise CamtrailError(f"{folder}: cannot be read: {error.strerror}") from None
    if not cameras:
        raise CamtrailError(
            f"no video in {folder.resolve()}: name your cameras, for example "
            "--source gate=rtsp://USER:PASSWORD@HOST/stream1"
        )
    detectors = sorted(_names(folder, "*.pt"), key=lambda name: ("yolo" not in name.lower(), name))
    encoders = _encoders(folder, notes)
    if not encoders:
        notes.append("no encoder found: the demo encoder knows only simulated people (see encoder)")
    text = _template().render(
        site=_slug(folder.resolve().name) or "site",
        cameras=cameras,
        pair=", ".join([*(c.name for c in cameras), "other"][:2]),
        detector=detectors[0] if detectors else DEFAULT_DETECTOR,
        other_detectors=detectors[1:],
        encoder=encoders[0] if encoders else None,
        other_encoders=encoders[1:],
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CamtrailError(f"{path} cannot be written: {error.strerror}") from None
    _tell(path, cameras, notes, as_json=as_json)


def _tell(path: Path, cameras: list[FoundCamera], notes: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"path": path, "cameras": [c.name for c in cameras], "notes": notes})
        return
    print(f"{path}: {len(cameras)} cameras ({', '.join(c.name for c in cameras)})")
    for note in notes:
        print(f"- {note}")
    print(f"Next: camtrail doctor {path}, then camtrail run {path}")


def _from_sources(sources: list[str], notes: list[str]) -> list[FoundCamera]:
    cameras: dict[str, FoundCamera] = {}
    variables = Variables()
    for text in sources:
        name, equals, source = text.partition("=")
        if not equals or not source or not re.match(NAME_PATTERN, name):
            raise CamtrailError(
                f"--source {name}: expected NAME=URL or NAME=PATH; names are lower-case letters, "
                "digits, '-' and '_'"
            )
        if name in cameras:
            raise CamtrailError(f"--source {name} is given twice")
        cameras[name] = FoundCamera(name, variables.put(name, source))
    notes += variables.notes
    return list(cameras.values())


def _from_videos(folder: Path, notes: list[str]) -> list[FoundCamera]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    cameras: dict[str, FoundCamera] = {}
    for path in paths:
        if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        try:
            seconds, fps = _length(path)
        except (OSError, av.FFmpegError):
            notes.append(f"{path.name} is left out: it is not a video that can be read")
            continue
        slug = name = _slug(path.stem) or "camera"
        number = 2
        while name in cameras:
            name, number = f"{slug}-{number}", number + 1
        # A recording was last written to when it ended.
        start = datetime.fromtimestamp(path.stat().st_mtime - seconds, UTC)
        stamp = start.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        cameras[name] = FoundCamera(name, path.name, stamp, fps)
    return list(cameras.values())


def _length(path: Path) -> tuple[float, float]:
    """Seconds (0 where the file does not say) and frames a second of a video."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise OSError("no video stream")
        rate = container.streams.video[0].average_rate
        return (container.duration or 0) / av.time_base, float(rate or 10)


def _encoders(folder: Path, notes: list[str]) -> list[str]:
    """The encoder files in the folder, and a note for each that is left out."""
    found = _names(folder, "*.safetensors")
    for name in (name for ending in DESCRIBED for name in _names(folder, f"*{ending}")):
        if all(part.exists() for part in encoder_files(folder / name)):
            if name.endswith(".engine"):
                notes.append(f"{name} is left out: name it with its sha256, if you trust it")
            else:
                found.append(name)
        elif name.endswith(".onnx"):  # the others are not always an encoder's
            notes.append(f"{name} is left out: an encoder needs {Path(name).stem}.yaml beside it")
    return found


def _names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


def _slug(text: str) -> str:
    """``text`` as a name that the configuration allows, or nothing."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the result is YAML
    )
    environment.filters["quoted"] = _quoted
    return environment.get_template("site.yaml.j2")


def _quoted(value: Any) -> str:
    """A YAML string: JSON's are, and so is a plain word."""
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z_][\w./-]*\.\w+", text) else json.dumps(text)
