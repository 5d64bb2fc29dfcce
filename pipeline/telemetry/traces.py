"""Traces, where ``telemetry.traces`` says so: spans sent by OTLP over HTTP. Off they cost a look at
a variable.

What is traced has a name already, and its numbers follow from that: those of an update from its
tracklet and ``seq`` (`of_update`), those of a request from its identifier (`of_request`). So worker
and matcher, viewer and matcher write into one trace without any word of it on the wire, of whatever
version the other is, also when an update is sent again after a crash; and both choose the same
sample.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.config import Site, Traces
from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_SEND_SECONDS = 5.0  # in which the receiver has to take spans
_LAST_MILLISECONDS = 2_000  # for the last ones at the end

_tracer: Tracer | None = None
_given = threading.local()  # the numbers of the span that is being made


class Place(NamedTuple):
    """The number of a trace (128 bits), and of a span in it (64 bits); neither is 0."""

    trace: int
    span: int

    def within(self) -> Place:
        """A new span of the same trace."""
        return Place(self.trace, secrets.randbits(63) + 1)


def of_update(site: str, key: TrackletKey, seq: int) -> Place:
    """Where the update ``seq`` of a tracklet begins."""
    digest = hashlib.sha256(f"{site}/{key}/{seq}".encode()).digest()
    return Place(int.from_bytes(digest[:16]) | 1, int.from_bytes(digest[16:24]) | 1)


def of_request(identifier: str) -> Place | None:
    """Where a request of the viewer, or what it asks the matcher, begins; None for what is no
    identifier (see `pipeline.telemetry.identifiers`).
    """
    trace, _, span = identifier.partition("-")
    with contextlib.suppress(ValueError):
        place = Place(int(trace, 16), int(span or trace[:16], 16))
        if len(trace) == 32 and len(span or trace[:16]) == 16 and all(place):
            return place
    return None


def enabled() -> bool:
    """Whether anybody wants spans."""
    return _tracer is not None


def record(
    name: str,
    place: Place,
    began: float,
    ended: float,
    attributes: Mapping[str, str | int | float | bool],
    parent: Place | None = None,
) -> None:
    """A span that has ended; ``began`` and ``ended`` are seconds since the epoch."""
    if _tracer is None:
        return
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    context = None
    if parent is not None:
        flags = TraceFlags(TraceFlags.SAMPLED)
        known = SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=flags)
        context = set_span_in_context(NonRecordingSpan(known))
    _given.place = place
    span = _tracer.start_span(
        name, context, attributes=dict(attributes), start_time=round(began * 1e9)
    )
    span.end(round(max(began, ended) * 1e9))


@contextlib.contextmanager
def tracing(site: Site, process: str) -> Iterator[None]:
    """Sends spans as ``process`` meanwhile, where ``site.yaml`` wants any.

    Raises:
        CamtrailError: what is needed for it is not installed.
    """
    global _tracer
    if site.telemetry.traces is None:
        yield
        return
    provider = _provider(site.telemetry.traces, site.site, process)
    _tracer = provider.get_tracer("camtrail")
    try:
        yield
    finally:
        _tracer = None
        provider.force_flush(_LAST_MILLISECONDS)
        provider.shutdown()


def _provider(options: Traces, site: str, process: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import IdGenerator
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
    except ImportError:
        raise CamtrailError(
            "telemetry.traces needs packages that are not there: pip install 'camtrail[traces]'"
        ) from None

    class Given(IdGenerator):
        def generate_trace_id(self) -> int:
            return int(_given.place.trace)

        def generate_span_id(self) -> int:
            return int(_given.place.span)

    facts = {"service.name": f"camtrail-{process}", "service.namespace": f"camtrail.{site}"}
    provider = TracerProvider(
        TraceIdRatioBased(options.sample), Resource(facts), id_generator=Given()
    )
    exporter = OTLPSpanExporter(
        options.endpoint,
        headers={name: value.get_secret_value() for name, value in options.headers.items()},
        timeout=_SEND_SECONDS,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
