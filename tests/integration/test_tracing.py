"""An event's trace goes on through the gateway: from the producer's `traceparent` to a collector that hears OTLP."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from redis.asyncio import Redis

from gateway.fanout.base import Submission
from gateway.protocol.events import parse_event
from gateway.telemetry.tracing import BroadcastTracer
from tests.support.clients import welcomed
from tests.support.documents import ROOT, blocks
from tests.support.gateway import run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

GUIDE = ROOT / "docs" / "guides" / "tracing.md"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "traceparent": f"00-{TRACE}-{SPAN}-01"}


class Collector(BaseHTTPRequestHandler):
    """Takes spans as an OpenTelemetry collector does."""

    requests: ClassVar[list[ExportTraceServiceRequest]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def collector() -> Iterator[tuple[int, list[ExportTraceServiceRequest]]]:
    Collector.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port, Collector.requests
        finally:
            server.shutdown()
            thread.join()


async def test_a_span_of_each_event_is_exported_when_the_gateway_stops_at_the_latest(
    own_valkey: ValkeyServer, sockets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (port, requests):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "gateway-under-test")
        with run_gateway(own_valkey.url, sockets=sockets, tracing="on") as gateway:
            async with (
                welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")) as peer,
                Redis.from_url(own_valkey.url) as redis,
            ):
                payload = json.dumps(EVENT, indent=1)
                await redis.publish("branch:5:kitchen", payload)
                assert await peer.text() == payload, "the context is the event's own, and goes on to the client"
                entry_id = (await redis.xadd("events:critical", {"event": json.dumps(EVENT)})).decode()
                assert (await peer.json())["event_id"] == entry_id
                without = json.dumps({name: value for name, value in EVENT.items() if name != "traceparent"})
                await redis.publish("branch:5:kitchen", without)
                assert await peer.text() == without
    resources = [resource for request in requests for resource in request.resource_spans]
    names = {item.value.string_value for found in resources for item in found.resource.attributes}
    assert "gateway-under-test" in names
    spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == [
        "deliver branch:<id>:kitchen",
        "deliver {tenant:<tenant>:branch:<branch>}:live",
    ]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in spans} == {SPAN}
    for span in spans:
        attributes = {item.key: item.value for item in span.attributes}
        assert attributes["fanout.recipients.matched"].int_value == 1
        assert 0 <= span.end_time_unix_nano - span.start_time_unix_nano < 10**10
    assert {item.key: item.value for item in spans[1].attributes}["messaging.message.id"].string_value == entry_id


async def test_a_collector_that_is_away_costs_no_event(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with run_gateway(own_valkey.url, tracing="on") as gateway:
        async with (
            welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")) as peer,
            Redis.from_url(own_valkey.url) as redis,
        ):
            for _ in range(5):
                await redis.publish("branch:5:kitchen", json.dumps(EVENT))
                assert await peer.json() == EVENT


def test_the_guides_way_to_bring_a_context_makes_an_event_that_is_traced() -> None:
    (example,) = [one for one in blocks(GUIDE) if one.language == "python"]
    provider = TracerProvider()
    with provider.get_tracer("producer").start_as_current_span("order") as span:
        names: dict[str, Any] = {}
        exec(compile(example.code, str(GUIDE), "exec"), names)
    context = span.get_span_context()
    event = parse_event(json.dumps(names["event"]).encode())
    assert names["event"]["traceparent"].startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert BroadcastTracer(provider.get_tracer("gateway")).watches(
        Submission(event.room, ("branch:5:kitchen",), event.payload)
    )
