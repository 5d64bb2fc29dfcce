"""The sections of ``site.yaml``, each a strict model: unknown keys are errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.config.redaction import URL

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
MEMORY = "memory"  # the matcher's own
LONGEST_MARGIN = 10.0  # seconds that a recording shows before and after somebody is in view
PACKAGED_WEIGHTS = Path(__file__).parents[1] / "weights"
DEMO_DETECTOR = PACKAGED_WEIGHTS / "detector.pt"
DEMO_ENCODER = PACKAGED_WEIGHTS / "encoder.safetensors"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _without_null_bytes(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("a null byte is allowed nowhere")  # no path or program takes one
        return value


def _digest(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        raise ValueError("expected 64 hexadecimal digits, as sha256sum prints them")
    return value


Sha256 = Annotated[str, AfterValidator(_digest)]


class Detector(Strict):
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


class Encoder(Strict):
    """The re-identification encoder file (.safetensors, or an export with its .yaml)."""

    path: Path = DEMO_ENCODER
    sha256: Sha256 | None = None  # of that file, not of one promoted later
    device: str = "auto"
    batch: int = Field(16, ge=1, le=512)


class Tracker(Strict):
    """The tracker within one camera."""

    name: Literal["bytetrack", "botsort", "ocsort", "sort"] = "bytetrack"
    lost_seconds: float = Field(1.5, gt=0, le=60, description="how long a lost track is kept")


class Crops(Strict):
    """Which crops are worth embedding, and which are kept as pictures."""

    per_second: float = Field(3.0, gt=0, le=30, description="embeddings a person a second")
    min_height: int = Field(32, ge=8, description="pixels")
    max_overlap: float = Field(0.5, ge=0, le=1, description="share covered by another person")
    keep: int = Field(4, ge=0, le=64, description="pictures of a tracklet beside the best one")


class Camera(Strict):
    """One camera: where its pictures come from."""

    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    start: datetime | None = Field(None, description="capture time of a file's first frame")
    fps: float | None = Field(None, gt=0, le=240, description="cap on the frames taken a second")
    masks: tuple[tuple[tuple[float, float], ...], ...] = Field(
        (), description="polygons in pixels; persons standing in one are left out"
    )
    position: tuple[float, float] | None = Field(
        None, description="on the map, x to the right and y down: pixels of floor_plan, or metres"
    )
    open_timeout: float = Field(10.0, gt=0, le=600, description="seconds, of a stream")
    read_timeout: float = Field(
        10.0, gt=0, le=600, description="seconds, of a stream or (whole ones, rounded up) a device"
    )

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
        return bool(URL.match(self.source))


class Transit(Strict):
    """How long people take from one camera's view to another's."""

    from_: str = Field(alias="from")
    to: str
    seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]

    @model_validator(mode="after")
    def _ordered(self) -> Transit:
        if self.seconds[0] > self.seconds[1]:
            raise ValueError(f"seconds: [{self.seconds[0]}, {self.seconds[1]}] is not in order")
        return self


class Topology(Strict):
    """What is known of the ground between the cameras."""

    overlap: tuple[tuple[str, str], ...] = ()
    transit: tuple[Transit, ...] = ()


class Matcher(Strict):
    """Thresholds of the decision who is who, on the cosine similarity of pooled embeddings.

    ``None`` takes what the encoder's file recommends, or else the default of its kind.
    """

    accept: float | None = Field(None, gt=-1, lt=1, description="at least this: the same person")
    new: float | None = Field(None, gt=-1, lt=1, description="below this: somebody new")
    patience: float = Field(4.0, ge=0, description="seconds to wait for more evidence between")
    max_lateness: float = Field(10.0, ge=0, description="seconds a live camera may lag")
    clock_tolerance: float = Field(
        5.0, ge=0, le=60, description="seconds up to which a camera's clock is put right"
    )
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
        if value != MEMORY and not value.startswith(("http://", "https://")) and not is_lite(value):
            raise ValueError(f"allowed: {MEMORY}, http://HOST:19530, https://..., FILE.db")
        return value

    @model_validator(mode="after")
    def _band(self) -> Matcher:
        if self.accept is not None and self.new is not None and self.accept < self.new:
            raise ValueError(
                f"accept ({self.accept:g}) is below new ({self.new:g}); nobody can be the same "
                "person and somebody new: give accept at least the value of new"
            )
        return self


Days = Annotated[float, Field(gt=0, le=36_500)]


class Retention(Strict):
    """How long what is stored is kept: people by capture time, the rest by the clock; None: people
    until they are forgotten, the rest for good.
    """

    tracklets_days: Days | None = None  # with all that belongs to them
    crops_days: Days | None = None
    audit_days: Days | None = Field(None, description="who corrected what")
    notifications_days: Days | None = Field(90.0, description="what somebody was told")
    dead_letters_days: Days | None = Field(30.0, description="messages that could not be read")
    logs_days: int | None = Field(30, ge=1, le=36_500, description="in data_dir/logs")


Hidden = Literal["none", "faces", "persons"]
Place = Literal["live", "crops", "clips"]
PLACES: tuple[Place, ...] = get_args(Place)


class Privacy(Strict):
    """What of people is made unrecognisable in pictures, where, and who may see it all the same."""

    blur: Hidden = Field("none", description="faces are the upper part of a person's box")
    in_: tuple[Place, ...] = Field(PLACES, alias="in", min_length=1)
    clear_for: Literal["nobody", "operator", "administrator"] = Field(
        "nobody", description="from which role on pictures are clear"
    )

    def hidden(self, place: Place) -> Hidden:
        """What is hidden there from those who may not see it."""
        return self.blur if place in self.in_ else "none"

    @property
    def some_see_clearly(self) -> bool:
        """Whether there has to be a clear picture as well."""
        return self.clear_for != "nobody"


class Encryption(Strict):
    """The key of the crops on disk; neither of the two: they are not encrypted.

    A text of keys: 64 hexadecimal digits each, the first one encrypts, the others still decrypt.
    """

    key: SecretStr | None = Field(None, description="from the environment: ${NAME}")
    key_file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> Encryption:
        if self.key is not None and self.key_file is not None:
            raise ValueError("give key or key_file, not both")
        return self


class Recording(Strict):
    """Clips of what live cameras showed around the people they saw."""

    enabled: bool = False
    clear: bool = Field(
        True, description="whether streams are recorded though privacy hides people in clips"
    )
    before: float = Field(3.0, ge=0, le=LONGEST_MARGIN, description="seconds before somebody comes")
    after: float = Field(3.0, ge=0, le=LONGEST_MARGIN, description="seconds after somebody left")
    days: float = Field(7.0, gt=0, le=3650, description="how long a clip is kept")
    max_gigabytes: float = Field(10.0, gt=0, description="of each camera; the oldest leave")


class Spool(Strict):
    """The updates that a worker keeps until they are committed."""

    max_megabytes: float = Field(256.0, gt=0)


class Tls(Strict):
    """Files in PEM form; relative to ``site.yaml``."""

    certificate: Path
    key: Path


class RedisTls(Strict):
    """Files in PEM form for connections to Redis by TLS; relative to ``site.yaml``."""

    authority: Path | None = Field(None, description="who signed its certificate; None: as usual")
    certificate: Path | None = Field(None, description="ours, where it asks for one")
    key: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> RedisTls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self


class Viewer(Strict):
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


class _Receiver(Strict):
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


class Notify(Strict):
    """Who is told when somebody is seen."""

    absence: float = Field(600.0, gt=0, description="seconds unseen after which somebody is back")
    give_up_after: float = Field(3600.0, gt=0, description="seconds that one is tried")
    max_queue: int = Field(10_000, ge=1, description="that wait for one receiver; the oldest go")
    viewer_url: str | None = Field(None, description="address of the viewer in links")
    webhooks: dict[Name, Webhook] = {}
    mqtt: Mqtt | None = None


def is_lite(gallery: str) -> bool:
    """Whether milvus-lite keeps it in a file."""
    return not URL.match(gallery) and gallery.endswith(".db")


def is_device(source: str) -> bool:
    """Whether ``source`` is a video device such as ``/dev/video0``."""
    return source.startswith("/dev/video")
