"""The whole of ``site.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.sections import (
    Camera,
    Crops,
    Detector,
    Encoder,
    Encryption,
    Matcher,
    Name,
    Notify,
    Privacy,
    Recording,
    RedisTls,
    Retention,
    Spool,
    Strict,
    Topology,
    Tracker,
    Viewer,
)
from pipeline.config.telemetry import Telemetry
from pipeline.errors import CamtrailError

_REDIS = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
)


class Site(Strict):
    """The whole of ``site.yaml``."""

    site: Name
    data_dir: Path = Path("data")
    redis: str = "embedded"
    redis_tls: RedisTls = RedisTls()  # type: ignore[call-arg]
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
    retention: Retention = Retention()  # type: ignore[call-arg]
    privacy: Privacy = Privacy()  # type: ignore[call-arg]
    encryption: Encryption = Encryption()  # type: ignore[call-arg]
    recording: Recording = Recording()  # type: ignore[call-arg]
    spool: Spool = Spool()  # type: ignore[call-arg]
    viewer: Viewer = Viewer()  # type: ignore[call-arg]
    notify: Notify = Notify()  # type: ignore[call-arg]
    telemetry: Telemetry = Telemetry()  # type: ignore[call-arg]

    @field_validator("redis")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(_REDIS):
            raise ValueError(f"allowed: embedded, {', '.join(f'{start}...' for start in _REDIS)}")
        return value

    @field_validator("store")
    @classmethod
    def _store(cls, value: str) -> str:
        if value != "sqlite" and not value.startswith(("sqlite:", "postgresql+psycopg://")):
            raise ValueError("allowed: sqlite, sqlite:///PATH, postgresql+psycopg://...")
        return value

    @model_validator(mode="after")
    def _tls_where_there_is_some(self) -> Site:
        if self.redis_tls != RedisTls() and not self.redis.startswith("rediss"):  # type: ignore[call-arg]
            raise ValueError("redis_tls is given, but redis is no rediss://... (two s: with TLS)")
        return self

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
    def logs_dir(self) -> Path:
        """Of the processes of `camtrail run`."""
        return self.data_dir / "logs"

    @property
    def recorded(self) -> list[str]:
        """The cameras that have a recorder: streams, where recording is on. A recorder keeps what
        the camera sends, in which nobody is hidden.
        """
        if not self.recording.enabled or self.stays_unrecorded:
            return []
        return [name for name, camera in self.cameras.items() if camera.is_stream]

    @property
    def stays_unrecorded(self) -> bool:
        """Whether nothing is recorded, since people would be seen clearly in it."""
        return self.privacy.hidden("clips") != "none" and not self.recording.clear

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
