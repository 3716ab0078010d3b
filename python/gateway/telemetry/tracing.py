"""Traces: an event that brings a trace's context becomes a span of that trace. The only user of OpenTelemetry.

Imported only where tracing is switched on: without the extra `fanout-gateway[otel]` it cannot be.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.fanout.base import BroadcastReport, NullObserver, Submission
from gateway.protocol.audiences import parse_channel
from gateway.protocol.keys import live_channel

OPERATION = "deliver"

_MARK = b'"traceparent"'


class _Carrier(msgspec.Struct):
    """The members of an event that concern a trace: W3C Trace Context's two headers, by their names."""

    type: str = ""
    traceparent: str | None = None
    tracestate: str | None = None


_decode = msgspec.json.Decoder(_Carrier).decode
_propagator = TraceContextTextMapPropagator()


class BroadcastTracer(NullObserver):
    """Makes a span of each event that has a valid `traceparent`, a child of the span that this names. Event loop only.

    The span begins when this node received the event and ends when it was written to the last recipient on this node,
    or put into the outbox of one who could not take it at once. Each node makes one; whether it is recorded is decided
    by the sampler, which by default does what `traceparent` says. Names and attributes follow OpenTelemetry's semantic
    conventions for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/); what they do not know begins
    with `fanout.`. The payload is the tenant's, and is in no span.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def watches(self, event: Submission) -> bool:
        """See `BroadcastObserver`. A look at the bytes: parsing waits until the event has been passed."""
        return _MARK in event.payload

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`."""
        event, reach, seconds, accepted = report
        try:
            carrier = _decode(event.payload)
        except msgspec.DecodeError:
            return  # `traceparent` is no string, which is the producer's to say
        fields = {"traceparent": carrier.traceparent, "tracestate": carrier.tracestate}
        context = _propagator.extract({name: value for name, value in fields.items() if value is not None})
        if not trace.get_current_span(context).get_span_context().is_valid:
            return  # malformed, or not the event's own: the specification says to ignore it
        destination, template = _destination(event)
        attributes: dict[str, str | int | float | tuple[str, ...]] = {
            "messaging.system": "redis",
            "messaging.operation.name": OPERATION,
            "messaging.operation.type": "process",
            "messaging.destination.name": destination,
            "messaging.destination.template": template,
            "messaging.message.body.size": len(event.payload),
            "fanout.source": event.source,
            "fanout.event_type": carrier.type,
            "fanout.tenant_id": event.room.tenant,
            "fanout.branch_id": event.room.branch,
            "fanout.audiences": event.audiences,
            "fanout.recipients.matched": reach.matched,
            "fanout.recipients.queued": reach.queued,
            "fanout.recipients.lost": reach.lost,
        }
        begin = accepted
        if event.event_id is not None:
            attributes["messaging.message.id"] = event.event_id
            if event.origin is not None:
                attributes["fanout.age"] = max(0.0, accepted - event.origin)
        elif event.origin is not None:
            begin = min(begin, event.origin)  # of a best-effort event, when this node read it
        span = self._tracer.start_span(
            f"{OPERATION} {template}",
            context,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            start_time=_nanos(begin),
        )
        span.end(_nanos(accepted + seconds))


def start_tracing() -> tuple[BroadcastTracer, Callable[[], None]]:
    """A tracer, and what ends it: that exports what is still to be, and blocks for as long.

    Where the application has set up OpenTelemetry itself, its provider is used, and is its own to end. Otherwise one
    is made that sends to a collector by OTLP over HTTP, from a thread of its own; everything about it is set by
    OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, …).
    """
    current = trace.get_tracer_provider()
    if not isinstance(current, trace.ProxyTracerProvider):
        return BroadcastTracer(current.get_tracer("gateway")), lambda: None
    named = Resource({SERVICE_NAME: "fanout-gateway"}).merge(OTELResourceDetector().detect())
    # Not made the global one: a gateway may be started again after it has stopped, and that can be set only once.
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return BroadcastTracer(provider.get_tracer("gateway")), provider.shutdown


def _nanos(seconds: float) -> int:
    # A float of Unix seconds tells microseconds apart, and no more.
    return round(seconds * 1_000_000) * 1_000


def _destination(event: Submission) -> tuple[str, str]:
    """Where the event was read from, and the same without its numbers."""
    if event.source == "pubsub" and len(event.audiences) == 1:
        name = event.audiences[0]
        channel = parse_channel(name)
        return name, name if channel is None else channel.kind.value.format("<id>")
    return live_channel(event.room), "{tenant:<tenant>:branch:<branch>}:live"
