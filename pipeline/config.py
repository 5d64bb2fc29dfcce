"""``site.yaml``: one strict model of the configuration.

Unknown keys, wrong types and keys given twice are errors that name their place and what would be
allowed. ``${NAME}`` comes from the environment. Relative paths are relative to the file. An encoder
that was promoted stands above ``encoder.path`` (see `pipeline.encoders.current`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.encoders.current import Encoders
from pipeline.errors import CamtrailError

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
MAX_CONFIG_BYTES = 1_000_000
MAX_CONFIG_VALUES = 100_000  # with aliases written out: a few nested ones make billions
MEMORY = "memory"  # the matcher's own
LONGEST_MARGIN = 10.0  # seconds that a recording shows before and after somebody is in view

PACKAGED_WEIGHTS = Path(__file__).parent / "weights"
DEMO_DETECTOR = PACKAGED_WEIGHTS / "detector.pt"
DEMO_ENCODER = PACKAGED_WEIGHTS / "encoder.safetensors"

_URL = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _digest(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        raise ValueError("expected 64 hexadecimal digits, as sha256sum prints them")
    return value


Sha256 = Annotated[str, AfterValidator(_digest)]


class Detector(_Strict):
    """The YOLO person detector."""

    weights: str = Field(
        str(DEMO_DETECTOR), description="path, or an official name such as yolo11n.pt"
    )
    sha256: Sha256 | None = None  # of that file; another is refused
    confidence: float = Field(0.25, gt=0, lt=1)
    image_size: int | None = Field(
        None, ge=64, le=4096, multiple_of=32, description="longer side; None: as it was trained"
    )
    device: str = "auto"
    half: bool = False
    batch: int = Field(1, ge=1, le=64, description="frames at once; files only")
    iou: float = Field(0.6, gt=0, lt=1, description="overlap at which boxes are one person")


class Encoder(_Strict):
    """The re-identification encoder file (.safetensors, or .onnx with its .yaml)."""

    path: Path = DEMO_ENCODER
    sha256: Sha256 | None = None  # of that file, not of one promoted later
    device: str = "auto"
    batch: int = Field(16, ge=1, le=512)


class Tracker(_Strict):
    """The tracker within one camera."""

    name: Literal["bytetrack", "botsort", "ocsort", "sort"] = "bytetrack"
    lost_seconds: float = Field(1.5, gt=0, le=60, description="how long a lost track is kept")


class Crops(_Strict):
    """Which crops are worth embedding, and which are kept as pictures."""

    per_second: float = Field(3.0, gt=0, le=30, description="embeddings a person a second")
    min_height: int = Field(32, ge=8, description="pixels")
    max_overlap: float = Field(0.5, ge=0, le=1, description="share covered by another person")
    keep: int = Field(4, ge=0, le=64, description="pictures of a tracklet beside the best one")


class Camera(_Strict):
    """One camera: where its pictures come from."""

    source: str = Field(min_length=1)
    start: datetime | None = Field(None, description="capture time of a file's first frame")
    fps: float | None = Field(None, gt=0, le=240, description="cap on the frames taken a second")
    masks: tuple[tuple[tuple[float, float], ...], ...] = Field(
        (), description="polygons in pixels; persons standing in one are left out"
    )
    position: tuple[float, float] | None = Field(
        None, description="on the map, x to the right and y down: pixels of floor_plan, or metres"
    )
    open_timeout: float = Field(10.0, gt=0, le=600, description="seconds")
    read_timeout: float = Field(10.0, gt=0, le=600, description="seconds")

    @field_validator("start")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @field_validator("masks")
    @classmethod
    def _polygons(cls, value: tuple[tuple[tuple[float, float], ...], ...]) -> Any:
        if any(len(polygon) < 3 for polygon in value):
            raise ValueError("a mask needs at least 3 points")
        return value

    @property
    def live(self) -> bool:
        """Whether the source runs on the clock (a URL or a device) and cannot be read again."""
        return self.is_stream or self.source.isdigit() or is_device(self.source)

    @property
    def is_stream(self) -> bool:
        """Whether the source is a URL, to which there may be several connections."""
        return bool(_URL.match(self.source))


class Transit(_Strict):
    """How long people take from one camera's view to another's."""

    from_: str = Field(alias="from")
    to: str
    seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]

    @model_validator(mode="after")
    def _ordered(self) -> Transit:
        if self.seconds[0] > self.seconds[1]:
            raise ValueError(f"seconds: [{self.seconds[0]}, {self.seconds[1]}] is not in order")
        return self


class Topology(_Strict):
    """What is known of the ground between the cameras."""

    overlap: tuple[tuple[str, str], ...] = ()
    transit: tuple[Transit, ...] = ()


class Matcher(_Strict):
    """Thresholds of the decision who is who, on the cosine similarity of pooled embeddings.

    ``None`` takes what the encoder's file recommends, or else the default of its kind.
    """

    accept: float | None = Field(None, gt=-1, lt=1, description="at least this: the same person")
    new: float | None = Field(None, gt=-1, lt=1, description="below this: somebody new")
    patience: float = Field(4.0, ge=0, description="seconds to wait for more evidence between")
    max_lateness: float = Field(10.0, ge=0, description="seconds a live camera may lag")
    standby: bool = Field(False, description="whether `camtrail run` keeps a second one ready")
    gallery: str = Field(MEMORY, description="or a Milvus server's URL, or a FILE.db (milvus-lite)")
    prototypes: int = Field(4, ge=1, le=64, description="per identity and camera")
    forget_after: float = Field(
        86_400.0, gt=0, description="seconds unseen after which an identity leaves the gallery"
    )
    max_identities: int = Field(100_000, ge=1, description="in the gallery; the oldest leave")
    max_prototypes: int = Field(1_000_000, ge=1, description="in the gallery; the oldest leave")
    exact_up_to: int = Field(
        20_000, ge=1, description="prototypes up to which each is compared; beyond, lists are"
    )

    @field_validator("gallery")
    @classmethod
    def _gallery(cls, value: str) -> str:
        if (
            value != MEMORY
            and not value.startswith(("http://", "https://"))
            and not _is_lite(value)
        ):
            raise ValueError(f"allowed: {MEMORY}, http://HOST:19530, https://..., FILE.db")
        return value


class Recording(_Strict):
    """Clips of what live cameras showed around the people they saw."""

    enabled: bool = False
    before: float = Field(3.0, ge=0, le=LONGEST_MARGIN, description="seconds before somebody comes")
    after: float = Field(3.0, ge=0, le=LONGEST_MARGIN, description="seconds after somebody left")
    days: float = Field(7.0, gt=0, le=3650, description="how long a clip is kept")
    max_gigabytes: float = Field(10.0, gt=0, description="of each camera; the oldest leave")


class Spool(_Strict):
    """The updates that a worker keeps until they are committed."""

    max_megabytes: float = Field(256.0, gt=0)


class Tls(_Strict):
    """Files in PEM form; relative to ``site.yaml``."""

    certificate: Path
    key: Path


class Viewer(_Strict):
    """Where the viewer listens, and who may reach it. Beyond loopback it asks for users and TLS."""

    enabled: bool = Field(True, description="whether `camtrail run` starts it")
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8600, ge=0, le=65535, description="0: any that is free")
    tls: Tls | None = None
    behind_proxy: tuple[IPvAnyNetwork, ...] = Field(
        (), description="addresses of the proxies that terminate TLS"
    )
    names: tuple[HostName, ...] = Field((), description="host names under which it is reached")
    audit_days: int = Field(180, ge=1, le=3650, description="how long who looked at whom is kept")


Occasion = Literal["person.seen", "person.seen_again", "person.watched"]
OCCASIONS: tuple[Occasion, ...] = get_args(Occasion)


class _Receiver(_Strict):
    events: tuple[Occasion, ...] = Field(OCCASIONS, min_length=1)
    timeout: float = Field(10.0, gt=0, le=120, description="seconds for one attempt")


class Webhook(_Receiver):
    """Where a notification is posted. Its path may hold a key: no log or page shows it."""

    url: str
    secret: SecretStr = Field(min_length=16, description="that signatures are made with")

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PydanticCustomError("url", "expected http://HOST/... or https://HOST/...")
        if parts.username is not None:
            raise PydanticCustomError("url", "no user in it: the signature says who sends")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise PydanticCustomError("url", "write other characters than ASCII as %XX")
        return value

    @field_serializer("url")
    def _without_path(self, value: str) -> str:
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.netloc}/***"


class Mqtt(_Receiver):
    """A broker; messages go to ``TOPIC/SITE/EVENT``."""

    host: str = Field(min_length=1)
    port: int | None = Field(None, ge=1, le=65535, description="None: 8883 with TLS, else 1883")
    tls: bool = False
    authority: Path | None = Field(None, description="PEM file of who signed its certificate")
    user: str | None = None
    password: SecretStr | None = None
    topic: str = Field("camtrail", pattern=r"^[^#+\x00/]+(/[^#+\x00/]+)*$")


class Notify(_Strict):
    """Who is told when somebody is seen."""

    absence: float = Field(600.0, gt=0, description="seconds unseen after which somebody is back")
    give_up_after: float = Field(3600.0, gt=0, description="seconds that one is tried")
    max_queue: int = Field(10_000, ge=1, description="that wait for one receiver; the oldest go")
    viewer_url: str | None = Field(None, description="address of the viewer in links")
    webhooks: dict[Name, Webhook] = {}
    mqtt: Mqtt | None = None


class Site(_Strict):
    """The whole of ``site.yaml``."""

    site: Name
    data_dir: Path = Path("data")
    redis: str = "embedded"
    store: str = "sqlite"
    inference: Literal["own", "shared"] = Field(
        "own", description="networks: of each worker, or of one process for all of this host"
    )
    detector: Detector = Detector()  # type: ignore[call-arg]
    encoder: Encoder = Encoder()  # type: ignore[call-arg]
    tracker: Tracker = Tracker()  # type: ignore[call-arg]
    crops: Crops = Crops()  # type: ignore[call-arg]
    cameras: dict[Name, Camera] = Field(min_length=1)
    floor_plan: Path | None = None
    topology: Topology = Topology()
    matcher: Matcher = Matcher()  # type: ignore[call-arg]
    recording: Recording = Recording()  # type: ignore[call-arg]
    spool: Spool = Spool()  # type: ignore[call-arg]
    viewer: Viewer = Viewer()  # type: ignore[call-arg]
    notify: Notify = Notify()  # type: ignore[call-arg]

    @field_validator("redis")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("allowed: embedded, redis://..., rediss://..., unix://...")
        return value

    @field_validator("store")
    @classmethod
    def _store(cls, value: str) -> str:
        if value != "sqlite" and not value.startswith(("sqlite:", "postgresql+psycopg://")):
            raise ValueError("allowed: sqlite, sqlite:///PATH, postgresql+psycopg://...")
        return value

    @model_validator(mode="after")
    def _known_cameras(self) -> Site:
        named = [name for pair in self.topology.overlap for name in pair]
        named += [name for t in self.topology.transit for name in (t.from_, t.to)]
        for name in named:
            if name not in self.cameras:
                raise ValueError(
                    f"topology names the camera '{name}'; there are: {', '.join(self.cameras)}"
                )
        return self

    @property
    def spool_dir(self) -> Path:
        return self.data_dir / "spool"

    @property
    def crops_dir(self) -> Path:
        return self.data_dir / "crops"

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"

    @property
    def recorded(self) -> list[str]:
        """The cameras that have a recorder: streams, where recording is on."""
        if not self.recording.enabled:
            return []
        return [name for name, camera in self.cameras.items() if camera.is_stream]

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store."""
        if self.store == "sqlite":
            return f"sqlite:///{self.data_dir / 'camtrail.sqlite'}"
        return self.store

    @property
    def redis_socket(self) -> Path:
        """The unix socket of the embedded server."""
        return self.data_dir / "redis" / "redis.sock"

    def camera(self, name: str) -> Camera:
        """The camera of this name. Raises `CamtrailError` that lists those there are."""
        if name not in self.cameras:
            raise CamtrailError(
                f"there is no camera '{name}'; there are: {', '.join(self.cameras)}"
            )
        return self.cameras[name]


def _is_lite(gallery: str) -> bool:
    """Whether milvus-lite keeps it in a file."""
    return not _URL.match(gallery) and gallery.endswith(".db")


def is_device(source: str) -> bool:
    """Whether ``source`` is a video device such as ``/dev/video0``."""
    return source.startswith("/dev/video")


def redact_url(url: str) -> str:
    """The URL with its password, and every value of its query, replaced by ``***``."""
    match = _URL.match(url)
    if not match:
        return url
    address, _, query = url[match.end() :].partition("?")
    user, at, host = address.rpartition("@")  # the last @: a password may hold / and @
    if at:
        address = (user.split(":", 1)[0] + ":***" if ":" in user else user) + at + host
    return match.group() + address + ("?" + re.sub(r"=[^&]*", "=***", query) if query else "")


def redact(text: str) -> str:
    """``text`` with every URL in it redacted."""
    return _URL_IN_TEXT.sub(lambda match: redact_url(match.group()), text)


def load_site(path: Path) -> Site:
    """Reads ``site.yaml``.

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
        raise CamtrailError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise CamtrailError(f"{path}: expected a mapping with `site` and `cameras`")
    # A section of which everything is commented out is empty: its defaults apply.
    raw = {key: value for key, value in raw.items() if value is not None}
    try:
        site = Site.model_validate(_substitute(raw, path, iter(range(MAX_CONFIG_VALUES))))
    except ValidationError as error:
        raise CamtrailError(_explain(path, error)) from None
    return _resolve(site, path.resolve().parent)


def effective(site: Site) -> dict[str, Any]:
    """The whole configuration, defaults included, as plain data with secrets redacted."""
    data = site.model_dump(mode="json", by_alias=True)
    return {key: _redacted(value) for key, value in data.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_url(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value


class _Loader(yaml.SafeLoader):
    """A safe loader to which a key given twice is an error."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
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


def _substitute(value: Any, path: Path, budget: Iterator[int]) -> Any:
    """``value`` with its variables replaced; each value in it takes one of ``budget``."""
    if next(budget, None) is None:
        raise CamtrailError(f"{path}: more than {MAX_CONFIG_VALUES} values; not a site.yaml")
    if isinstance(value, dict):
        return {key: _substitute(item, path, budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, path, budget) for item in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise CamtrailError(f"{path}: the environment variable {name} is not set")
        return os.environ[name]

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
            "viewer": _resolve_tls(site.viewer, base),
            "notify": _resolve_authority(site.notify, base),
        }
    )


def _resolve_gallery(matcher: Matcher, base: Path) -> Matcher:
    if not _is_lite(matcher.gallery):
        return matcher
    return matcher.model_copy(update={"gallery": str(base / matcher.gallery)})


def _resolve_authority(notify: Notify, base: Path) -> Notify:
    if notify.mqtt is None or notify.mqtt.authority is None:
        return notify
    mqtt = notify.mqtt.model_copy(update={"authority": base / notify.mqtt.authority})
    return notify.model_copy(update={"mqtt": mqtt})


def _resolve_tls(viewer: Viewer, base: Path) -> Viewer:
    if viewer.tls is None:
        return viewer
    tls = Tls(certificate=base / viewer.tls.certificate, key=base / viewer.tls.key)
    return viewer.model_copy(update={"tls": tls})


def _explain(path: Path, error: ValidationError) -> str:
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
        elif not isinstance(item["input"], (dict, list)) and item["loc"][-1] not in _SECRETS:
            message = f"{message} (got {redact_url(str(item['input']))!r})"
        lines.append(f"{path}: {place}: {message}")
    return "\n".join(lines)


_SECRETS = ("secret", "password", "url")  # whose wrong values are not shown
_SECTIONS: dict[int | str, type[BaseModel]] = {  # that need not be there
    "tls": Tls,
    "webhooks": Webhook,
    "mqtt": Mqtt,
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
