"""``site.yaml``: one strict model of the configuration.

Unknown keys, wrong types and keys given twice are errors that name their place and what would be
allowed. ``${NAME}`` comes from the environment. Relative paths are relative to the file. An encoder
that was promoted stands above ``encoder.path`` (see `pipeline.encoders.current`).
"""

from pipeline.config.load import MAX_CONFIG_BYTES, load_site
from pipeline.config.model import Site
from pipeline.config.redaction import effective, redact, redact_url
from pipeline.config.sections import (
    DEMO_DETECTOR,
    DEMO_ENCODER,
    LONGEST_MARGIN,
    MEMORY,
    NAME_PATTERN,
    OCCASIONS,
    Camera,
    Crops,
    Detector,
    Encoder,
    Matcher,
    Mqtt,
    Name,
    Notify,
    Occasion,
    Recording,
    RedisTls,
    Retention,
    Spool,
    Tls,
    Topology,
    Tracker,
    Transit,
    Viewer,
    Webhook,
    is_device,
)
from pipeline.config.telemetry import LogLevel, Telemetry, Traces, metrics_address

__all__ = [
    "DEMO_DETECTOR",
    "DEMO_ENCODER",
    "LONGEST_MARGIN",
    "MAX_CONFIG_BYTES",
    "MEMORY",
    "NAME_PATTERN",
    "OCCASIONS",
    "Camera",
    "Crops",
    "Detector",
    "Encoder",
    "LogLevel",
    "Matcher",
    "Mqtt",
    "Name",
    "Notify",
    "Occasion",
    "Recording",
    "RedisTls",
    "Retention",
    "Site",
    "Spool",
    "Telemetry",
    "Tls",
    "Topology",
    "Traces",
    "Tracker",
    "Transit",
    "Viewer",
    "Webhook",
    "effective",
    "is_device",
    "load_site",
    "metrics_address",
    "redact",
    "redact_url",
]
